"""What the scan says: findings with the path that leaves a connection open, and what a pattern is."""

from __future__ import annotations

import msgspec

from slotwise.findings import Severity


class Step(msgspec.Struct, frozen=True):
    """One stop on the way to the leak: the line (from 1) and what happens there."""

    line: int
    text: str


class Edit(msgspec.Struct, frozen=True):
    """Lines ``first_line``..``last_line`` (from 1, inclusive) become ``new_text``, which ends in a newline."""

    first_line: int
    last_line: int
    new_text: str


class Leak(msgspec.Struct, frozen=True):
    """One finding at ``path:line:column`` (both from 1; ``end_line`` is the last line of the statement).

    ``message`` says what is wrong in one sentence, ``steps`` the path on which it stays so, ``slots`` what it costs in
    connection slots, ``cure`` what to write instead. ``edits`` holds the cure where it is mechanical.
    ``possible`` marks what could not be decided; it is shown with ``--pedantic`` only. ``ignored`` is the reason of a
    ``# slotwise: ignore[...]`` comment ("" when it gives none), or None without one.
    """

    pattern_id: str
    path: str
    line: int
    column: int
    end_line: int
    function: str
    message: str
    steps: tuple[Step, ...]
    slots: str
    cure: str
    source_line: str
    severity: Severity
    possible: bool = False
    ignored: str | None = None
    edits: tuple[Edit, ...] = ()
    imports: tuple[str, ...] = ()


class Pattern(msgspec.Struct, frozen=True):
    """What a pattern file registers: its id (never reused), slug, severity, one-line title and its page (docstring)."""

    id: str
    slug: str
    severity: Severity
    title: str
    page: str


class NotJudged(msgspec.Struct, frozen=True):
    """A file that could not be analysed, and why. Never counted as clean."""

    path: str
    reason: str


class AddonResult(msgspec.Struct, frozen=True):
    """What the scan of one addon gave: findings in order of place, files that could not be judged, counts."""

    leaks: tuple[Leak, ...]
    not_judged: tuple[NotJudged, ...]
    files: int
    parsed: int
    lines: int
