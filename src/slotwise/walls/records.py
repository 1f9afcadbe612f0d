"""Where a record begins and ends: one parsed line, and whether the next line still belongs to it. Pure text."""

from __future__ import annotations

import re
from typing import NamedTuple

from slotwise.walls.heads import Head, head_of, part_of
from slotwise.walls.json_lines import Torn, postgres_json
from slotwise.walls.wrappers import Wrapped, unwrap

CSV_HEAD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^\s,\"]{1,6},")
"""A PostgreSQL csvlog record (csvlog.c 12-18) begins with its time and a comma, and so may a log_line_prefix."""
_CSV_SEVERITY = re.compile(r",[^\s,\":]+,[0-9A-Z]{5},")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""A log that was written to a terminal: Odoo colours severity and database, compose the container's name."""
_WRAPPERS_DEEP = 3
_JOINS = (
    "Traceback",
    "Caused by: ",
    "server closed the connection",
    "The above exception",
    "During handling",
    "SSL connection has been closed",
    "connection to server ",
    "Is the server running",
)
_QUIET = frozenset({"INFO", "DEBUG"})


class Line(NamedTuple):
    """One physical line, parsed as far as grouping needs it."""

    form: str
    """``head`` begins a record, ``csv`` and ``json`` begin PostgreSQL's own, ``more`` continues or stands alone."""
    inner: str
    head: Head | None
    wrapped: Wrapped | None
    torn: bool = False

    @property
    def key(self) -> str | None:
        """Writer of a wrapped line; None for a plain one."""
        return self.wrapped.key if self.wrapped else None


def parse_line(line: str, reference: float) -> Line:
    """What a line is. ``reference`` as in wrappers.unwrap."""
    if "\x1b" in line:
        line = _COLOURS.sub("", line)
    if not line or line[0] in " \t":
        return Line("more", line, None, None)
    wrapped, inner = None, line
    try:
        for _ in range(_WRAPPERS_DEEP):
            if inner[:1] == "{" and postgres_json(inner) is not None:
                return Line("json", inner, None, wrapped)
            deeper = unwrap(inner, reference)
            if deeper is None:
                break
            wrapped, inner = _within(wrapped, deeper), deeper.inner
    except Torn:
        return Line("more", line, None, None, torn=True)
    head = (wrapped.head if wrapped else None) or head_of(inner)
    if CSV_HEAD.match(inner) and _is_csv(inner, head):
        return Line("csv", inner, None, wrapped)
    return Line("head" if head else "more", inner, head, wrapped)


def _is_csv(line: str, head: Head | None) -> bool:
    return _CSV_SEVERITY.search(line, 0, 600) is not None or (head is None and part_of(line) is None)


def _within(outer: Wrapped | None, inner: Wrapped) -> Wrapped:
    """Two wrappings as one: the writer is told by both, the rest by the inner one where it tells it."""
    if outer is None:
        return inner
    return inner._replace(
        key=f"{outer.key} {inner.key}",
        seconds=outer.seconds if inner.seconds is None else inner.seconds,
        layer=inner.layer or outer.layer,
        pid=outer.pid if inner.pid is None else inner.pid,
        partial=inner.partial or outer.partial,
    )


def whole(lines: list[Line]) -> list[Line]:
    """A record's lines as its program wrote them: pieces of a cut line put together, and one entry that holds several
    lines taken apart."""
    if all(line.wrapped is None for line in lines):
        return lines
    joined: list[Line] = []
    for line in lines:
        if joined and _is_partial(joined[-1]):
            before = joined.pop()
            joined.append(before._replace(inner=before.inner + line.inner, wrapped=line.wrapped))
        else:
            joined.append(line)
    told: list[Line] = []
    for line in joined:
        first, *rest = line.inner.split("\n")
        told.append(line if not rest else line._replace(inner=first))
        told.extend(Line("more", text, None, line.wrapped) for text in rest)
    return told


def _is_partial(line: Line) -> bool:
    return line.wrapped is not None and line.wrapped.partial


class Grouping:
    """Decides line by line whether a record goes on. One instance per record, fed with its first line."""

    def __init__(self, first: Line) -> None:
        self._first = first
        self._frames = first.inner.startswith(("Traceback", "  "))
        self._quotes = first.inner.count('"')
        self._goes_on = _is_partial(first)

    def takes(self, line: Line) -> bool:
        """True when ``line`` (of the same writer) belongs to the record."""
        if self._goes_on:
            self._goes_on = _is_partial(line)
            return True
        taken = self._takes(line)
        self._goes_on = taken and _is_partial(line)
        return taken

    def _takes(self, line: Line) -> bool:
        if self._first.form == "json":
            return False
        if self._first.form == "csv":
            return self._takes_csv(line)
        inner = line.inner
        if not inner.strip():
            return True
        if inner[0] in " \t":
            if inner.startswith("  File ") and not self._frames:
                self._frames = True
                return (
                    self._first.head is not None
                )  # frames without a traceback's first line: a piece of another record
            return True
        if line.form in ("csv", "json"):
            return False
        if line.head is not None:
            # A bare "FATAL:  ..." inside a traceback is the error's own text, not a record.
            return self._frames and line.head.seconds is None and inner.startswith(("FATAL", "ERROR"))
        if inner.startswith(_JOINS) and self._may_be_a_client():
            self._frames = self._frames or inner.startswith("Traceback")
            return True
        if part_of(inner) is not None:
            return True
        return self._takes_bare()

    def _may_be_a_client(self) -> bool:
        """Servers put a time before their lines and indent what follows; libpq's several lines have neither."""
        head = self._first.head
        return head is None or head.layer == "odoo" or head.seconds is None

    def _takes_bare(self) -> bool:
        """An unindented line without a head: PostgreSQL and PgBouncer never write one, Odoo does."""
        head = self._first.head
        if head is not None and head.layer == "odoo" and head.level not in _QUIET:
            return True
        if self._frames:
            self._frames = head is not None and head.layer == "odoo"
            return True
        return False

    def _takes_csv(self, line: Line) -> bool:
        if self._quotes % 2 == 0:
            return False
        self._quotes += line.inner.count('"')
        return True
