"""slotwise scan beside the linters that an Odoo shop already runs: what each finds, and how fast, on the same trees.

Trees: ``few`` is generated in the style of ordinary addons, of which one file in forty touches a connection; ``all``
is the seeded corpus many times over, so that every file does. ``SLOTWISE_BENCH_TREE=/path`` adds a real one.
Peers are taken from this environment or PATH; one that is not there is said to be missing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench._table import Table
from slotwise.leaks.catalogue import catalogue
from tests.leaks import corpus_marks

# A peer's message counts as finding a seeded line when it speaks of what is wrong there at all.
_ABOUT_IT = re.compile(
    r"S113|SIM115|R1732|timeout|commit|rollback|not.?closed|leak|context.?manager|cursor|connection", re.IGNORECASE
)
_RUNS = 3
_Places = set[tuple[str, int]]
_MEASURED = """
import resource, sys
from slotwise.cli.app import run
run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def main() -> Table:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["XDG_CACHE_HOME"] = str(root / "cache")
        _print_scores()
        peers = _peers()
        _print_recall_of_peers(peers)
        trees = {"few": _few(root / "few"), "all": _all(root / "all")}
        if "SLOTWISE_BENCH_TREE" in os.environ:
            trees["real"] = Path(os.environ["SLOTWISE_BENCH_TREE"])
        rows = tuple(row for name, tree in trees.items() for row in _print_speed(name, tree, peers))
        _print_memory(trees["few"], root)
    return Table("slotwise scan beside linters", ("tree", "tool", "time", "speed"), rows)


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


def _peers() -> dict[str, list[str]]:
    """Command lines by name; the tree is appended. Each with every rule it has about Odoo or resources."""
    commands = {
        "ruff (all rules)": [
            "ruff",
            "check",
            "--isolated",
            "--no-cache",
            "--preview",
            "--select",
            "ALL",
            "--exit-zero",
            "--output-format",
            "concise",
        ],
        "ruff-odoo (OD rules)": [
            "ruff-odoo",
            "check",
            "--isolated",
            "--no-cache",
            "--preview",
            "--select",
            "OD",
            "--exit-zero",
            "--output-format",
            "concise",
        ],
        "odoo-linter": ["odl", "check"],
        "pylint-odoo": [
            "pylint",
            "--load-plugins=pylint_odoo",
            "--disable=all",
            "--enable=odoolint,consider-using-with",
            "--recursive=y",
            "-j2",
        ],
    }
    here = Path(sys.executable).parent
    found: dict[str, list[str]] = {}
    for name, command in commands.items():
        path = shutil.which(command[0], path=f"{here}{os.pathsep}{os.environ.get('PATH', '')}")
        if path is None:
            print(f"{name}: not installed (pip install '.[bench]')")
        else:
            found[name] = [path, *command[1:]]
    return found


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
    rows: list[tuple[str, ...]] = []

    def told(tool: str, seconds: float) -> None:
        rows.append((f"{name}: {files} files", tool, f"{seconds:.2f} s", f"{files / seconds:,.0f} files/s"))

    files = sum(1 for _ in tree.rglob("*.py"))
    scan = [sys.executable, "-m", "slotwise", "scan", str(tree), "--fail-on", "never", "--format", "json"]
    parsed = json.loads(subprocess.run([*scan, "--no-cache"], capture_output=True, check=False).stdout)["summary"]
    print(f"\ntree {name}: {files} files, {parsed['lines']:,} lines; {parsed['parsed']} files touch something")
    cold = _seconds([*scan, "--no-cache"])
    told("slotwise scan, cold", cold)
    print(f"{'slotwise scan, cold':24} {files / cold:8,.0f} files/s  {cold:7.2f} s")
    subprocess.run(scan, capture_output=True, check=False)
    again = _seconds(scan)
    told("slotwise scan, again", again)
    print(
        f"{'slotwise scan, again':24} {files / again:8,.0f} files/s  {again:7.2f} s  ({cold / again:.1f} times faster)"
    )
    for peer, command in peers.items():
        slow = "pylint" in peer
        seconds = _seconds([*command, str(tree)], runs=1 if slow else _RUNS, limit=45 if slow else 600)
        if seconds == float("inf"):
            print(f"{peer:24}        -          more than 45 s")
            rows.append((f"{name}: {files} files", peer, "more than 45 s", ""))
        else:
            told(peer, seconds)
            print(f"{peer:24} {files / seconds:8,.0f} files/s  {seconds:7.2f} s")
    return rows


def _seconds(command: list[str], runs: int = _RUNS, limit: float = 600) -> float:
    """The quickest of some runs, each in a process of its own, start-up included; infinite when it takes too long."""
    best = float("inf")
    for _ in range(runs):
        began = time.perf_counter()
        try:
            subprocess.run(command, capture_output=True, check=False, timeout=limit)
        except subprocess.TimeoutExpired:
            break
        best = min(best, time.perf_counter() - began)
    return best


def _print_memory(tree: Path, root: Path) -> None:
    """The peak of one process on a tree and on four times as much of it."""
    print("\nmemory of one process (peak resident)")
    bigger = root / "bigger"
    for number in range(4):
        shutil.copytree(tree, bigger / str(number))
    for folder in (tree, bigger):
        code = _MEASURED
        command = [sys.executable, "-c", code, "scan", str(folder), "--no-cache", "--jobs", "1", "--fail-on", "never"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        files = sum(1 for _ in folder.rglob("*.py"))
        print(f"{files:8} files  {int(done.stderr.split()[-1]) / 1024:7.1f} MB")


def _few(root: Path) -> Path:
    """150 addons of ordinary code; one file in forty opens a cursor, well."""
    for addon in range(150):
        folder = root / f"addon_{addon}"
        (folder / "models").mkdir(parents=True)
        (folder / "__manifest__.py").write_text('{\n    "name": "x",\n    "version": "18.0.1.0.0",\n}\n')
        for number in range(14):
            text = _MODEL.format(n=number) * 3
            if (addon * 14 + number) % 40 == 0:
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
