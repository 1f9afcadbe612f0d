"""Reads refused connections out of an Odoo log: which wall, how often, when last.

A record begins with `YYYY-MM-DD HH:MM:SS,mmm PID LEVEL DATABASE LOGGER: …`; the lines after it (a traceback) belong to
it (odoo/netsvc.py, 17.0 to 19.0). Odoo runs in UTC: odoo-bin sets TZ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone

from slotwise.snapshot.redaction import redact_text
from slotwise.snapshot.refusals import Refusal
from slotwise.walls.classify import classify
from slotwise.walls.kinds import Role, Sighting, Wall

_RECORD = re.compile(
    r"^(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(?P<milliseconds>\d{3}) (?P<pid>\d+) (?P<level>[A-Z]+) (?P<db>\S+) "
    r"(?P<logger>[\w.]+): ",
    re.MULTILINE,
)
_LONGEST_TEXT = 300
_CHATTER = frozenset({"DEBUG", "INFO"})
"""Levels whose one-line records refuse nothing: the refusal itself stands in a traceback or at a higher level."""


def refusals_in_log(text: str, source: str) -> tuple[Refusal, ...]:
    """The refusals that a log shows: Odoo's record by record, any other (PostgreSQL, PgBouncer) line by line."""
    if _RECORD.search(text):
        return refusals_in_odoo_log(text, source)
    return _refusals([(None, None, line) for line in text.splitlines()], source)


def refusals_in_odoo_log(text: str, source: str) -> tuple[Refusal, ...]:
    """The refusals that an Odoo log text shows, one for each wall and kind, most frequent first."""
    return _refusals(_records(text), source)


def _refusals(records: Iterable[tuple[float | None, str | None, str]], source: str) -> tuple[Refusal, ...]:
    found: dict[tuple[str, str, str | None], Refusal] = {}
    for at, database, record in records:
        seen = classify(record)
        if seen is None or seen.role is not Role.REFUSAL or not seen.wall.refuses:
            continue
        key = (seen.wall.value, seen.kind, seen.name)
        before = found.get(key)
        found[key] = Refusal(
            wall=seen.wall.value,
            text=_words(record, seen),
            source=source,
            count=(before.count if before else 0) + 1,
            last_at=at if at is not None else (before.last_at if before else None),
            user=seen.name if seen.wall is Wall.PG_ROLE_LIMIT else None,
            database=seen.name if seen.wall is Wall.PG_DB_LIMIT else database,
        )
    return tuple(sorted(found.values(), key=lambda r: -r.count))


def _records(text: str) -> Iterator[tuple[float | None, str | None, str]]:
    """Time, database and text of each record; what stands before the first record is left out (a cut-off tail)."""
    heads = list(_RECORD.finditer(text))
    ends = [*(h.start() for h in heads[1:]), len(text)]
    for head, end in zip(heads, ends, strict=False):
        if head["level"] in _CHATTER and "\n" not in text[head.start() : end].rstrip():
            continue
        database = None if head["db"] in ("?", "None") else head["db"]
        yield _epoch(head["at"], head["milliseconds"]), database, text[head.start() : end]


def _epoch(at: str, milliseconds: str) -> float | None:
    try:
        moment = datetime.strptime(at, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return moment.timestamp() + int(milliseconds) / 1000


def _words(record: str, seen: Sighting) -> str:
    line_start = record.rfind("\n", 0, seen.start) + 1
    line = record[line_start:].split("\n", 1)[0].strip()
    return redact_text(line)[:_LONGEST_TEXT]
