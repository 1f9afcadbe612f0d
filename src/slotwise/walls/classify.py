"""The judgement: a message in, the wall it names out. Pure; knows nothing of files or formats.

Three laws: the text decides before the program that wrote it (a pooler relays the server's words); of several FATAL in
one block the first one decides (what follows is its echo); a lost connection by itself proves no wall.
"""

from __future__ import annotations

import re
from functools import lru_cache

from slotwise.walls.kinds import Role, Sighting, Wall
from slotwise.walls.lookalikes import LOOKALIKES, LOST
from slotwise.walls.signatures import FD_PLAN, LAST_WALLS, ROUTINES, WALLS, Signature
from slotwise.walls.translated import sight_translated

_FATAL = re.compile("FATAL|ВАЖНО|ФАТАЛЬНО|致命|치명적|KATASTROFALNY|ÖLÜMCÜL|VAZHNO|ფატალური")
"""The severity in PostgreSQL's 17 languages; German, Spanish, French, Italian, Swedish and others contain ``FATAL``."""
_TOO_MANY_CONNECTIONS = "53300"
_CACHED_LENGTH = 300


def classify(text: str, *, routine: str | None = None, sqlstate: str | None = None) -> Sighting | None:
    """What one message or one block (a traceback with its error) is about, or None when it says nothing known.

    ``routine`` and ``sqlstate`` are the C function and the error code where the source has them (csvlog, jsonlog,
    protocol field R): they tell a full child table from full slots, which share one text, and work in any language.
    """
    if sqlstate == _TOO_MANY_CONNECTIONS and routine in ROUTINES:
        kind, wall = ROUTINES[routine]
        told = _sight(text)
        if told is not None and told.wall is wall:
            return told
        return Sighting(wall, kind, Role.REFUSAL, 0, language=told.language if told else "?")
    if routine in ("ProcessStartupPacket", "BackendInitialize") and "too many clients already" in text:
        kind, wall = ROUTINES[routine]
        return Sighting(wall, kind, Role.REFUSAL, 0)
    return _told(text) if len(text) <= _CACHED_LENGTH else _first_fatal(text) or _sight(text)


@lru_cache(maxsize=1024)
def _told(text: str) -> Sighting | None:
    """The judgement of a short text, remembered: an incident writes the same words ten thousand times."""
    return _first_fatal(text) or _sight(text)


def wall_of_connect_error(text: str, *, routine: str | None = None, sqlstate: str | None = None) -> Sighting | None:
    """Why a connection attempt failed, from the error text of psycopg, psycopg2 or libpq.

    Several hosts or addresses may have been tried, each with a line of its own: the first FATAL decides, because a
    refusal by a server says more than an address that nobody listens on. None means: an unknown text; do not guess.
    """
    return classify(text, routine=routine, sqlstate=sqlstate)


def _first_fatal(text: str) -> Sighting | None:
    """The first FATAL of a block that names something, if there is one."""
    starts: list[int] = []
    for match in _FATAL.finditer(text):
        # A second one on the same line belongs to the first: PgBouncer 1.24+ quotes the server's FATAL inside its own.
        if not starts or "\n" in text[starts[-1] : match.start()]:
            starts.append(match.start())
    for start, end in zip(starts, [*starts[1:], len(text)], strict=False):
        part = text[start:end]
        seen = _sight(part)
        if seen is None or seen.wall is Wall.NETWORK:
            continue
        return Sighting(seen.wall, seen.kind, seen.role, start + seen.start, seen.name, seen.language)
    return None


def _sight(text: str) -> Sighting | None:
    """Search the tables in the order of their authority."""
    found = _search(WALLS, text)
    if found is None and not text.isascii():
        found = sight_translated(text)
    found = found or _search(LOOKALIKES, text) or _search(LAST_WALLS, text) or _fd_plan(text) or _search(LOST, text)
    if found is None and text.isascii():
        found = sight_translated(text)
    if found is not None and found.kind == "pgb_login_failing" and found.name:
        return _relayed(found)
    return found


def _relayed(found: Sighting) -> Sighting:
    """PgBouncer 1.24+ repeats the server's last error: when that names a wall, the wall is the reason."""
    cause = _search(WALLS, found.name or "") or sight_translated(found.name or "")
    if cause is None or cause.role is not Role.REFUSAL or not cause.wall.refuses:
        return found
    return Sighting(cause.wall, cause.kind, cause.role, found.start, cause.name, cause.language)


def _search(table: tuple[Signature, ...], text: str) -> Sighting | None:
    for row in table:
        at = text.find(row.needle)
        if at < 0:
            continue
        if row.pattern is None:
            return Sighting(row.wall, row.kind, row.role, at)
        match = row.pattern.search(text)
        if match is not None:
            groups = match.groupdict()
            return Sighting(row.wall, row.kind, row.role, match.start(), groups.get("name") or groups.get("n"))
    return None


def _fd_plan(text: str) -> Sighting | None:
    """PgBouncer's start-up line, when it expects to need more file descriptors than it may open."""
    match = FD_PLAN.search(text)
    if match is None or int(match["need"]) <= int(match["soft"]):
        return None
    return Sighting(Wall.FD_LIMIT, "pgb_fd_plan", Role.PRECURSOR, match.start(), match["need"])
