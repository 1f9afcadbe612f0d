from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from slotwise.leaks.catalogue import catalogue as patterns
from slotwise.rules.engine import catalogue as rules

TOOL = Path(__file__).parents[2] / "tools" / "rule_pages.py"
PAGES = TOOL.parent.parent / "docs" / "rules"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True, timeout=60)


def test_the_pages_are_what_the_docstrings_say() -> None:
    done = _run("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_rule_and_pattern_has_its_page_and_is_in_the_index() -> None:
    slugs = {r.slug for r in rules()} | {p.slug for p in patterns()}
    assert {p.stem for p in PAGES.glob("*.md")} == slugs | {"index"}
    linked = set(re.findall(r"\]\(([\w-]+)\.md\)", (PAGES / "index.md").read_text()))
    assert linked == slugs


def test_a_page_has_title_severity_and_sections() -> None:
    text = (PAGES / "slots-saturated.md").read_text()
    assert text.startswith("# SW201 slots-saturated\n\nNearly every connection slot")
    assert "Severity: critical." in text and "**When to ignore it.**" in text
    leak = (PAGES / "cursor-never-closed.md").read_text()
    assert leak.startswith("# SW601 cursor-never-closed\n") and "**Why it matters.**" in leak
    assert "::" not in leak and "\n    with " in leak and "-----" not in leak


def test_check_tells_a_stale_a_missing_and_a_left_over_page(tmp_path: Path) -> None:
    assert _run(str(tmp_path)).returncode == 0
    assert _run("--check", str(tmp_path)).returncode == 0
    (tmp_path / "slots-high.md").write_text("old")
    (tmp_path / "slots-saturated.md").unlink()
    (tmp_path / "gone-rule.md").write_text("old")
    done = _run("--check", str(tmp_path))
    assert done.returncode == 1
    assert all(name in done.stderr for name in ("slots-high.md", "slots-saturated.md", "gone-rule.md", "make docs"))
    assert _run(str(tmp_path)).returncode == 0
    assert not (tmp_path / "gone-rule.md").exists() and _run("--check", str(tmp_path)).returncode == 0
