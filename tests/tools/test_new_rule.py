from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "new_rule.py"
LISTED = "- rule SW201 slots-saturated\n- rule SW250 once-was\n- a command\n"
LOG = f"# Changelog\n\n## Unreleased\n\n{LISTED}\n## 0.1\n\n- old\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    area = tmp_path / "src" / "slotwise" / "rules" / "postgres"
    area.mkdir(parents=True)
    (area / "slots_saturated.py").write_text('@rule("SW201", Severity.CRITICAL)\n')
    (tmp_path / "CHANGELOG.md").write_text(LOG)
    return tmp_path


def _make(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, TOOL, "--root", root, *arguments], capture_output=True, text=True, timeout=60
    )


def test_it_makes_two_files_and_a_changelog_line(root: Path) -> None:
    done = _make(root, "SW219", "many-savepoints", "--severity", "info")
    assert done.returncode == 0, done.stderr
    rule = (root / "src/slotwise/rules/postgres/many_savepoints.py").read_text()
    assert '@rule("SW219", Severity.INFO)\ndef many_savepoints(' in rule
    test = (root / "tests/rules/postgres/test_many_savepoints.py").read_text()
    assert all(f"def test_{duty}" in test for duty in ("silent", "speaks", "its_own_fix_silences", "unknown"))
    unreleased = "- rule SW201 slots-saturated\n- rule SW219 many-savepoints\n- rule SW250 once-was\n- a command\n"
    assert (root / "CHANGELOG.md").read_text() == LOG.partition("- rule")[0] + unreleased + "\n## 0.1\n\n- old\n"


def test_the_template_passes_ruff_and_the_catalogues_page_duty(root: Path) -> None:
    assert _make(root, "SW219", "many-savepoints").returncode == 0
    config = str(ROOT / "pyproject.toml")
    files = [str(p) for p in root.rglob("*many_savepoints.py")]
    for command in (["check", "--ignore", "D1", "--config", config], ["format", "--check", "--line-length", "120"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *command, *files], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    page = Path(files[0]).read_text() + Path(files[1]).read_text()
    places = [page.find(s) for s in ("**Why it matters.**", "**Evidence.**", "**Fix.**", "**When to ignore it.**")]
    assert places == sorted(places) and places[0] > 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("SW201", "new-slug"), "SW201 is taken by slots-saturated"),
        (("SW250", "new-slug"), "ids are never reused"),
        (("SW219", "slots-saturated"), "slots-saturated is taken"),
        (("SW219", "once-was"), "once-was is taken"),
        (("SW219", "Not_A_Slug"), "is no slug"),
        (("SW519", "new-slug"), "is no id"),
        (("219", "new-slug"), "is no id"),
        (("SW219", "new-slug", "--area", "host"), "belongs to postgres"),
    ],
)
def test_it_refuses_and_writes_nothing(root: Path, arguments: tuple[str, ...], why: str) -> None:
    before = sorted(p for p in root.rglob("*") if p.is_file())
    done = _make(root, *arguments)
    assert done.returncode == 2 and why in done.stderr
    assert sorted(p for p in root.rglob("*") if p.is_file()) == before
    assert (root / "CHANGELOG.md").read_text() == LOG
