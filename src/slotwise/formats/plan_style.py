"""The style sheet of the plan page: system fonts, light and dark, narrow screens, paper."""

from __future__ import annotations

STYLE = """
:root{--ink:#1c2530;--soft:#5b6775;--ground:#fff;--panel:#f5f7f9;--rule:#d8dee5;--good:#1a7f4b;--tight:#9a6200;
--bad:#b3261e;--unknown:#5b6775;--s1:#2166ac;--s2:#c2570c;--s3:#6a3d9a;--s4:#13795b;--s5:#a61e5c;--s6:#7a8594}
@media (prefers-color-scheme:dark){:root{--ink:#e7ecf1;--soft:#9fabb8;--ground:#12171d;--panel:#1b222b;--rule:#333d48;
--good:#5fd39a;--tight:#f0b849;--bad:#ff8a80;--unknown:#9fabb8;--s1:#6db3f2;--s2:#f5a15d;--s3:#b79cf0;--s4:#5fcba9;
--s5:#f08ab8;--s6:#98a4b2}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.25rem;margin:0 0 .5rem}h3{font-size:1.05rem;margin:1.5rem 0 .5rem}
header p,footer,small{color:var(--soft)}header p{margin:.25rem 0 1rem}footer{margin:2rem 0;font-size:.85rem}
section{border-top:1px solid var(--rule);padding:1rem 0}
.badge{border:1px solid currentColor;border-radius:.3rem;padding:.05rem .5rem;font-weight:600}
.badge.good{color:var(--good)}.badge.tight{color:var(--tight)}.badge.bad{color:var(--bad)}
.badge.unknown{color:var(--unknown)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.5rem;margin:1rem 0}
.tiles div{background:var(--panel);border-radius:.4rem;padding:.5rem .75rem}
.tiles dt{color:var(--soft)}.tiles dd{margin:0;font-size:1.5rem;font-weight:600;font-variant-numeric:tabular-nums}
.tiles small{display:block;line-height:1.3;font-size:.85rem;font-weight:400}
.wide:focus-visible{outline:3px solid var(--s1);outline-offset:2px}
figure{margin:1.5rem 0}figcaption{font-weight:600;margin-bottom:.25rem}
figure>svg{display:block;width:100%;height:auto}
svg text{fill:var(--soft);font-size:12px;paint-order:stroke;stroke:var(--ground);stroke-width:3px}
svg text.strong{fill:var(--ink);font-weight:600}
.grid{stroke:var(--rule);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}
.line{fill:none;stroke-width:2.2}
.s1{stroke:var(--s1)}.s2{stroke:var(--s2)}.s3{stroke:var(--s3)}.s4{stroke:var(--s4)}.s5{stroke:var(--s5)}
.s6{stroke:var(--s6)}
.s2.line{stroke-dasharray:7 3}.s3.line{stroke-dasharray:2 3}.s6.line{stroke-dasharray:1 4}
.s1.fill{fill:var(--s1)}.s2.fill{fill:var(--s2)}.s3.fill{fill:var(--s3)}.s4.fill{fill:var(--s4)}
.s5.fill{fill:var(--s5)}.s6.fill{fill:var(--s6)}rect.fill{stroke:var(--ground);stroke-width:1}
.wall{stroke:var(--bad);stroke-width:2.2}.warn{stroke:var(--tight);stroke-width:1.6;stroke-dasharray:6 4}
.ram{stroke:var(--s3);stroke-width:1.6;stroke-dasharray:10 3 2 3}
.now{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:3 3}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;margin:.25rem 0;padding:0;font-size:.85rem;
color:var(--soft)}
.legend .key{width:24px;height:10px;vertical-align:middle;margin-right:.35rem}.legend .key .line{stroke-width:4}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--rule)}
th{color:var(--soft);font-weight:500}td{font-variant-numeric:tabular-nums}
code{font:.9em ui-monospace,Menlo,Consolas,monospace}summary{cursor:pointer;font-weight:600;margin:1rem 0 .5rem}
@media (max-width:40rem){main{padding:.75rem}svg text{font-size:17px}.tiles dd{font-size:1.25rem}}
@media print{:root{--ink:#000;--soft:#333;--ground:#fff;--panel:#fff;--rule:#999}body{font-size:10pt}
main{max-width:none;padding:0}figure,tr,.tiles{break-inside:avoid}.wide{overflow:visible}section{break-before:auto}h2,h3,h4,summary{break-after:avoid}}
"""
