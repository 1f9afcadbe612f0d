"""What a pattern may ask about an addon, and what it answers with."""

from __future__ import annotations

import ast

import msgspec

from slotwise.findings import Severity
from slotwise.leaks.analysis import Analysis, UnitFacts
from slotwise.leaks.held import SlowCall
from slotwise.leaks.outline import ModuleOutline, Unit
from slotwise.leaks.request_cursor import RequestCursorUse
from slotwise.leaks.sql_text import SqlUse
from slotwise.leaks.state import Opening
from slotwise.leaks.verdicts import Edit, Step


class Opened(msgspec.Struct, frozen=True):
    """Something that was opened, and one word for what becomes of it (see Analysis.fate)."""

    unit: Unit
    opening: Opening
    ways: dict[str, ast.AST]
    fate: str


class Waiting(msgspec.Struct, frozen=True):
    """A call that waits for others while a transaction is open; ``holding``: on a cursor that the code opened."""

    unit: Unit
    call: ast.Call
    slow: SlowCall
    holding: bool


class AddonFacts(msgspec.Struct):
    """Everything that was learnt of one addon. ``series`` is "17.0", "18.0", "19.0" or None when it is not known."""

    analysis: Analysis
    series: str | None
    opened: list[Opened]
    waiting: list[Waiting]
    thread_uses: list[tuple[Unit, ast.Call]]
    request_uses: list[RequestCursorUse]
    statements: list[SqlUse]


class Sighting(msgspec.Struct, frozen=True):
    """One finding of a pattern, before it gets the pattern's id. ``severity`` None means the pattern's own."""

    unit: Unit
    node: ast.AST
    message: str
    slots: str
    cure: str
    steps: tuple[Step, ...] = ()
    severity: Severity | None = None
    possible: bool = False
    edits: tuple[Edit, ...] = ()
    imports: tuple[str, ...] = ()


def opened_in(analysis: Analysis, facts: UnitFacts) -> list[Opened]:
    """Everything that one function opened, judged."""
    return [
        Opened(facts.unit, opening, facts.ways.get(opening.key, {}), analysis.fate(facts, opening))
        for opening in facts.openings
    ]


__all__ = ["AddonFacts", "ModuleOutline", "Opened", "Sighting", "Waiting", "opened_in"]
