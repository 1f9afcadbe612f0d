"""slotwise scan beside the linters that an Odoo shop already runs: what each finds, and how fast, on the same trees.

Trees: ``few`` is generated in the style of ordinary addons, of which one file in forty touches a connection; ``all``
is the seeded corpus many times over, so that every file does. ``SLOTWISE_BENCH_TREE=/path`` adds a real one.
Peers (bench/_linters.py) are installed on the first run. Every tool may use every core, none has a cache except where
"again" is said, byte code is compiled as after an installation, and the files lie in the page cache: the tools take
turns, so that a busy second of the machine meets them all, and the quickest run of each counts.
Takes about four minutes, with a real tree of 2,000 files about six.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench._linters import linters
from bench._table import Table
from slotwise.leaks.catalogue import catalogue
from tests.leaks import corpus_marks

# A peer's message counts as finding a seeded line when it speaks of what is wrong there at all.
_ABOUT_IT = re.compile(
    r"S113|SIM115|R1732|timeout|commit|rollback|not.?closed|leak|context.?manager|cursor|connection", re.IGNORECASE
)
_RUNS = 7
_SIZES = (1_000, 5_000, 20_000)
_TOO_LONG_S = 45
_FILES_AN_ADDON = 15
_Places = set[tuple[str, int]]
# The command, then the peak memory in kB of its own process and of the largest of those it started. The first is the
# kernel's VmHWM: ru_maxrss also counts what this process had before it became that one.
_MEASURED = """
import re, resource, sys
from slotwise.cli.app import run
run(sys.argv[1:])
own = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
print(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""


def main() -> Table:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["XDG_CACHE_HOME"] = str(root / "cache")
        _print_scores()
        peers = linters()
        os.environ["XDG_CACHE_HOME"] = str(root / "cache")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        _print_recall_of_peers(peers)
        trees = {"few": _few(root / "few"), "all": _all(root / "all")}
        if "SLOTWISE_BENCH_TREE" in os.environ:
            trees["real"] = Path(os.environ["SLOTWISE_BENCH_TREE"])
        rows = tuple(row for name, tree in trees.items() for row in _print_speed(name, tree, peers))
        rows += _memory(root)
    return Table("slotwise scan beside linters", ("tree", "tool", "time", "CPU", "speed"), rows)


def _print_scores() -> None:
    wanted, found, false = corpus_marks.score()
    titles = {pattern.id: pattern.slug for pattern in catalogue()}
    clean = sum(corpus_marks.clean_count(addon) for addon in corpus_marks.addons())
    print(f"seeded corpus: {sum(wanted.values())} lines that should be reported, {clean} clean functions")
    print(f"{'pattern':36} {'seeded':>6} {'found':>6} {'false':>6} {'recall':>7} {'precision':>9}")
    for id_ in sorted(set(wanted) | set(false)):
        _score_line(f"{id_} {titles.get(id_, '')}", wanted[id_], found[id_], false[id_])
    _score_line("all", sum(wanted.values()), sum(found.values()), sum(false.values()))


def _score_line(name: str, wanted: int, found: int, false: int) -> None:
    recall = f"{found / wanted:7.1%}" if wanted else "      -"
    precision = f"{found / (found + false):9.1%}" if found + false else "        -"
    print(f"{name:36} {wanted:6} {found:6} {false:6} {recall} {precision}")


def _print_recall_of_peers(peers: dict[str, list[str]]) -> None:
    wanted = {(path, line) for addon in corpus_marks.addons() for path, line, _ in corpus_marks.expected(addon)}
    leaks = {
        (path, line)
        for addon in corpus_marks.addons()
        for path, line, id_ in corpus_marks.expected(addon)
        if id_ < "SW620"
    }
    print(f"\nwho finds them: {len(wanted)} seeded lines, of which {len(leaks)} leak")
    for name, command in peers.items():
        done = subprocess.run([*command, str(corpus_marks.CORPUS)], capture_output=True, text=True, check=False)
        hits: set[tuple[str, int]] = set()
        for text in done.stdout.splitlines():
            place = re.match(r"(.*?\.py):(\d+)[:,]", text)
            if place and _ABOUT_IT.search(text[place.end() :]):
                parts = Path(place[1]).parts
                start = parts.index("corpus") + 1 if "corpus" in parts else 0
                hits.add(("/".join(parts[start:]), int(place[2])))
        _found_line(name, hits & wanted, wanted, leaks)
    found = {(leak.path, leak.line) for addon in corpus_marks.addons() for leak in corpus_marks.scanned(addon).leaks}
    _found_line("slotwise scan", found & wanted, wanted, leaks)


def _found_line(
    name: str, hits: set[tuple[str, int]], wanted: set[tuple[str, int]], leaks: set[tuple[str, int]]
) -> None:
    print(f"{name:24} {len(hits):4} of {len(wanted)} lines, {len(hits & leaks):3} of {len(leaks)} leaks")


def _print_speed(name: str, tree: Path, peers: dict[str, list[str]]) -> list[tuple[str, ...]]:
    files = sum(1 for _ in tree.rglob("*.py"))
    scan = [str(Path(sys.executable).with_name("slotwise")), "scan", str(tree), "--fail-on", "never"]
    scan += ["--format", "json"]
    cold = [*scan, "--no-cache"]
    parsed = json.loads(subprocess.run(cold, capture_output=True, check=False).stdout)["summary"]
    print(f"\ntree {name}: {files} files, {parsed['lines']:,} lines; {parsed['parsed']} files touch something")
    subprocess.run(scan, capture_output=True, check=False)
    commands = {"slotwise scan, cold": cold, "slotwise scan, again": scan}
    commands |= {peer: [*command, str(tree)] for peer, command in peers.items()}
    rows = []
    for tool, took in _quickest(commands).items():
        if took is None:
            seconds, cpu, speed = f"more than {_TOO_LONG_S} s", "", ""
        else:
            seconds, cpu, speed = f"{took[0]:.2f} s", f"{took[1]:.2f} s", f"{files / took[0]:,.0f} files/s"
        rows.append((f"{name}: {files} files", tool, seconds, cpu, speed))
        print(f"{tool:24} {speed:>16} {seconds:>16} {cpu:>8} CPU")
    return rows


def _quickest(commands: dict[str, list[str]]) -> dict[str, tuple[float, float] | None]:
    """Seconds and CPU seconds of the quickest of some runs of each, each in a process of its own, start-up included;
    None for one that takes too long. One that takes more than two seconds runs three times, than ten once."""
    best: dict[str, tuple[float, float] | None] = {}
    for turn in range(_RUNS):
        for name, command in commands.items():
            known = best.get(name)
            if turn and (known is None or known[0] > 10 or (turn > 2 and known[0] > 2)):
                continue
            took = _run(command)
            best[name] = took if known is None or took is None else min(known, took)
    return best


def _run(command: list[str]) -> tuple[float, float] | None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    try:
        subprocess.run(command, capture_output=True, check=False, timeout=_TOO_LONG_S)
    except subprocess.TimeoutExpired:
        return None
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _memory(root: Path) -> tuple[tuple[str, ...], ...]:
    """The peak of the process and of its largest worker, on trees that differ in their number of files alone."""
    print("\npeak resident memory")
    rows = []
    for size in _SIZES:
        tree = _few(root / f"few-{size}", size // _FILES_AN_ADDON)
        command = [sys.executable, "-c", _MEASURED, "scan", str(tree), "--no-cache", "--fail-on", "never"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        own, other = (int(word) / 1024 for word in done.stderr.split()[-2:])
        print(f"{size:8,} files  {own:7.1f} MB, its worker {other:7.1f} MB")
        shown = f"{own:.0f} MB, worker {other:.0f} MB"
        rows.append((f"few: {size:,} files", "slotwise scan, cold", "", "", shown))
        shutil.rmtree(tree)
    return tuple(rows)


def _few(root: Path, addons: int = 150) -> Path:
    """Addons of ordinary code; one file in forty opens a cursor, well."""
    for addon in range(addons):
        folder = root / f"addon_{addon}"
        (folder / "models").mkdir(parents=True)
        (folder / "__manifest__.py").write_text('{\n    "name": "x",\n    "version": "18.0.1.0.0",\n}\n')
        for number in range(_FILES_AN_ADDON - 1):
            text = _MODEL.format(n=number) * 3
            if (addon * (_FILES_AN_ADDON - 1) + number) % 40 == 0:
                text += _TOUCHES
            (folder / "models" / f"model_{number}.py").write_text("from odoo import api, fields, models\n\n\n" + text)
    return root


def _all(root: Path) -> Path:
    """The corpus, forty times."""
    for number in range(40):
        for addon in corpus_marks.addons():
            shutil.copytree(addon, root / f"{addon.name}_{number}")
    return root


_MODEL = """class Model{n}(models.Model):
    _name = "model.{n}"
    _description = "Model {n}"

    name = fields.Char(required=True, index=True)
    state = fields.Selection([("draft", "Draft"), ("done", "Done")], default="draft")
    line_ids = fields.One2many("model.line", "parent_id", string="Lines")
    amount = fields.Monetary(compute="_compute_amount", store=True)

    @api.depends("line_ids.amount", "state")
    def _compute_amount(self):
        for record in self:
            record.amount = sum(line.amount for line in record.line_ids if line.state != "cancel")

    def action_done(self):
        for record in self.filtered(lambda r: r.state == "draft"):
            values = {{"state": "done", "name": "%s (%s)" % (record.name, record.id)}}
            if record.line_ids and not record.amount:
                values["name"] = record.name.upper()
            record.write(values)
        return {{"type": "ir.actions.act_window_close"}}


"""
_TOUCHES = """class Log(models.Model):
    _inherit = "model.0"

    def log(self, message):
        with self.env.registry.cursor() as cr:
            cr.execute("INSERT INTO log (message) VALUES (%s)", (message,))
"""
