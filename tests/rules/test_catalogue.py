"""Holds every rule to its duties: an id of its area, a whole page, tests of its own, and no touch of the world."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from slotwise.rules.engine import Rule, catalogue, judge
from tests.build import host

HUNDREDS = {"odoo": "1", "capacity": "1", "postgres": "2", "pgbouncer": "3", "host": "4"}
SECTIONS = ("**Why it matters.**", "**Evidence.**", "**Fix.**", "**When to ignore it.**")
DUTIES = ("silent", "speaks", "own_fix_silences", "unknown")


def test_ids_and_slugs_are_unique() -> None:
    rules = catalogue()
    assert len({r.id for r in rules}) == len({r.slug for r in rules}) == len(rules) > 0


@pytest.mark.parametrize("rule", catalogue(), ids=lambda r: r.slug)
def test_page_is_whole(rule: Rule) -> None:
    assert re.fullmatch(rf"SW{HUNDREDS[rule.area]}\d\d", rule.id)
    assert rule.title.endswith(".") and len(rule.title) <= 120
    places = [rule.page.find(section) for section in SECTIONS]
    assert places == sorted(places) and places[0] > 0, f"sections of {rule.slug}: {places}"


@pytest.mark.parametrize("rule", catalogue(), ids=lambda r: r.slug)
def test_it_has_its_four_tests(rule: Rule) -> None:
    file = Path(__file__).parent / rule.area / f"test_{rule.slug.replace('-', '_')}.py"
    names = re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    for duty in DUTIES:
        assert any(duty in name for name in names), f"{file.name} has no test named *{duty}*"


_touched: list[str] = []
_watching = False
_EVENTS = ("open", "socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.system", "sqlite3.")


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event.startswith(_EVENTS):
        _touched.append(f"{event} {arguments[:1]}")


sys.addaudithook(_audit)


def test_no_rule_touches_the_world() -> None:
    global _watching
    rules, snapshot = catalogue(), host()
    judge(snapshot, rules)  # imports and caches settle here
    _watching = True
    try:
        judge(snapshot, rules)
    finally:
        _watching = False
    assert _touched == []
    _watching = True
    try:
        Path(__file__).read_text()
    finally:
        _watching = False
    assert _touched, "the audit hook must see an open file"
