"""Finds the few lines of a big log that may say something, at the speed of a byte search.

A signature that no literal here finds would never be seen in a file: a test holds every row of the tables against this
list.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from slotwise.walls.lookalikes import LOOKALIKES, LOST
from slotwise.walls.signatures import LAST_WALLS, WALLS

if TYPE_CHECKING:
    from ahocorasick_rs import BytesAhoCorasick

LITERALS: tuple[bytes, ...] = (
    b"FATAL",
    b"ERROR",
    b"Error",
    b"WARNING",
    b"ould not ",
    b"ailed",
    b"ConnectionPool(",
    b"database system is",
    b"terminated by",
    b"still waiting for",
    b"startup packet",
    b"unexpected EOF",
    b"exiting. request_count",
    b"shutdown request",
    b"oom-kill",
    b"Killed process",
    b"Odoo version ",
    b"Initiating shutdown",
    b"Stopping forcefully",
    b"updating modules list",
    b"virtual memory limit",
    b"SIGHUP, reload",
    b"process up: Pg",
    b"launch_new_connection: pool full",
    b"unavailable",
    b"psycopg",
    b"being accessed by",
    b"connection slots",
    b"too many clients",
    b"many connections for ",
    b"onnection Pool Is Full",
    b"pooler error",
    b"OOM killer",
    b"by pids controller",
    b"connections are in",
    b"has been failing",
    b"pinned to the",
    b"worker_connections are",
    b"of file descriptors",
    b"No file descriptors",
    b"max expected fd use",
    b"VAZHNO",
    b"??:  ",  # a severity of which only question marks are left (LC_CTYPE is C)
)
"""Byte strings of which a telling line holds at least one (ASCII, English)."""

SLOW = re.compile(rb"duration: \d{5,}\.")
"""Statements of ten seconds and more: they hold a slot all that time."""
CONTEXT = re.compile(
    rb"tarting job `|\) starting|exiting\. request_count|\) alive|max request \(| timeout after \d"
    rb"|Cursor not closed|leaked connection|auto-database|ConnectionPool\("
)
"""Housekeeping, read only just before an incident."""


def candidates(data: bytes) -> list[int]:
    """Positions in ``data`` that may lie in a telling line, sorted; several may lie in one line."""
    found = [start for _, start, _ in automaton(data.isascii()).find_matches_as_indexes(data)]
    slow = [match.start() for match in SLOW.finditer(data)]
    return sorted(found + slow) if slow else found


@lru_cache(maxsize=2)
def automaton(ascii_only: bool) -> BytesAhoCorasick:
    """All literals in all languages at once: one pass of the Aho-Corasick automaton, however many they are.

    The one for ASCII alone has narrower tables: it is a quarter faster and built five times sooner. Built once a
    process: whoever starts others builds it first.
    """
    from ahocorasick_rs import BytesAhoCorasick, Implementation

    literals = (*LITERALS, *_closings(), *_translated())
    if ascii_only:
        literals = tuple(literal for literal in literals if literal.isascii())
    return BytesAhoCorasick(literals, implementation=Implementation.DFA)


def _closings() -> tuple[bytes, ...]:
    """PgBouncer's disconnects for a reason that has a signature, without the thousands that mean nothing."""
    words = (row.needle.removeprefix("closing because: ") for row in (*WALLS, *LAST_WALLS, *LOOKALIKES, *LOST))
    return tuple(f"closing because: {word}".encode() for word in words if word[0] not in " )")


def _translated() -> tuple[bytes, ...]:
    """The longest fixed piece of every translated message."""
    table: dict[str, dict[str, list[str]]] = json.loads(Path(__file__).with_name("translations.json").read_bytes())
    texts = (text for languages in table.values() for variants in languages.values() for text in variants)
    return tuple(sorted({max(text.split("%s"), key=len).strip().encode() for text in texts}))
