"""A headless Chromium for pages that are files: what it measures, shows and prints. No driver, no network."""

from __future__ import annotations

import html
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browse(page: Path, *options: str) -> str:
    """Runs the browser on the file ``page`` in a profile beside it and returns its standard output."""
    return browse_url(page.as_uri(), page.parent / "profile", *options)


def browse_url(address: str, profile: Path, *options: str) -> str:
    """Runs the browser on ``address`` and returns its standard output. A word in the page's console fails: what a page
    may not do (its policy) or cannot do is said there."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    assert found is not None, "no Chromium: run `make setup`"
    command = [
        found, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        f"--user-data-dir={profile}", "--enable-logging=stderr", "--v=0", *options, address,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert ":CONSOLE" not in done.stderr, done.stderr[-1000:]
    return done.stdout


def measured(page: Path, expression: str, width: int, *options: str) -> object:
    """The value of a JavaScript expression in ``page`` shown ``width`` CSS pixels wide.

    The page forbids scripts, so it is measured in a frame of another page, which Chromium allows files on request.
    """
    framing = page.with_name(f"frame-{width}.html")
    framing.write_text(
        f"""<!doctype html><meta charset=utf-8><body style="margin:0">
<iframe id=f style="border:0;width:{width}px;height:900px" src="{page.name}"></iframe><pre id=out></pre><script>
f.onload=()=>{{const w=f.contentWindow,d=f.contentDocument;out.textContent='<<'+JSON.stringify({expression})+'>>'}}
</script>""",
        encoding="utf-8",
    )
    shown = browse(framing, "--allow-file-access-from-files", "--dump-dom", "--virtual-time-budget=3000", *options)
    found = re.search(r"&lt;&lt;(.*)&gt;&gt;", shown, re.DOTALL)
    assert found is not None, shown[-500:]
    return json.loads(html.unescape(found.group(1)))


def violations(page: Path, *options: str) -> list[dict[str, object]]:
    """What axe-core (https://github.com/dequelabs/axe-core) finds wrong with ``page``: rule, impact, elements.

    The page forbids scripts, so axe runs in a copy without that policy.
    """
    package = importlib.util.find_spec("axe_playwright_python")
    assert package is not None and package.submodule_search_locations, "no axe-core: run `make setup`"
    axe = Path(package.submodule_search_locations[0]) / "axe.min.js"
    run = (
        f'<script src="{axe.as_uri()}"></script><script>'
        'axe.run(document).then(r=>{const p=document.createElement("pre");'
        'p.textContent="<<"+JSON.stringify(r.violations.map(v=>({id:v.id,impact:v.impact,'
        'on:v.nodes.map(n=>n.html).slice(0,5)})))+">>";document.body.append(p)})</script>'
    )
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    copied = page.with_name(f"axe-{page.name}")
    copied.write_text(text.replace("</body>", f"{run}</body>"), encoding="utf-8")
    shown = browse(copied, "--allow-file-access-from-files", "--dump-dom", "--virtual-time-budget=15000", *options)
    found = re.findall(r"&lt;&lt;(\[.*\])&gt;&gt;", shown, re.DOTALL)
    assert found, shown[-500:]
    answer: list[dict[str, object]] = json.loads(html.unescape(found[-1]))
    return answer
