"""Where a record begins and ends: one parsed line, and whether the next line still belongs to it. Pure text."""

from __future__ import annotations

import re
from typing import NamedTuple

from slotwise.walls.heads import Head, head_of, part_of
from slotwise.walls.wrappers import Torn, Wrapped, postgres_json, unwrap

CSV_HEAD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^\s,\"]{1,6},")
"""A PostgreSQL csvlog record (csvlog.c 12-18) begins with its time and a comma."""
_JOINS = (
    "Traceback",
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
    if not line or line[0] in " \t":
        return Line("more", line, None, None)
    try:
        wrapped = unwrap(line, reference)
        if wrapped is None:
            if line[0] == "{" and postgres_json(line) is not None:
                return Line("json", line, None, None)
            if CSV_HEAD.match(line):
                return Line("csv", line, None, None)
    except Torn:
        return Line("more", line, None, None, torn=True)
    inner = wrapped.inner if wrapped else line
    head = head_of(inner)
    return Line("head" if head else "more", inner, head, wrapped)


class Grouping:
    """Decides line by line whether a record goes on. One instance per record, fed with its first line."""

    def __init__(self, first: Line) -> None:
        self._first = first
        self._frames = first.inner.startswith(("Traceback", "  "))
        self._quotes = first.inner.count('"')

    def takes(self, line: Line) -> bool:
        """True when ``line`` (of the same writer) belongs to the record."""
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
