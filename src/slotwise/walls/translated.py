"""PostgreSQL's messages in 16 other languages, from its message catalogues (po files of 12-18).

The table is data (``translations.json``: kind, language, texts with ``%s`` for a value) and is read only when a text is
not recognised in English, because start-up counts on a sick server.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from slotwise.walls.kinds import Role, Sighting, Wall
from slotwise.walls.lookalikes import LOOKALIKES, LOST
from slotwise.walls.signatures import WALLS

_TABLE = Path(__file__).with_name("translations.json")
_STRICT = frozenset({"pg_out_of_memory", "lock_table_full", "deadlock", "fd_postmaster"})
"""Kinds whose translation is a short everyday phrase: only believed at the start of a message."""
_WALLS_FIRST = (
    "pg_role_limit",
    "pg_database_limit",
    "pg_slots_reserved_role",
    "pg_slots_reserved_superuser",
    "pg_slots_reserved",
    "pg_slots_hard",
)


class _Text(NamedTuple):
    kind: str
    language: str
    needle: str
    pattern: re.Pattern[str]


@lru_cache(maxsize=1)
def _meaning() -> dict[str, tuple[Wall, Role]]:
    """Wall and role of each kind, from the English tables, which are the only place that decides them."""
    meaning = {row.kind: (row.wall, row.role) for row in (*LOST, *LOOKALIKES, *WALLS)}
    meaning["pg_child_died"] = (Wall.OTHER, Role.CAUSE)
    return meaning


@lru_cache(maxsize=1)
def _texts() -> tuple[_Text, ...]:
    """The table in the order in which it decides, with the longest fixed part of each text as a cheap first test."""
    table: dict[str, dict[str, list[str]]] = json.loads(_TABLE.read_bytes())
    order = [*_WALLS_FIRST, *(kind for kind in table if kind not in _WALLS_FIRST)]
    rows = []
    for kind in order:
        for language, texts in table[kind].items():
            for text in texts:
                parts = text.split("%s")
                needle = max(re.split(r"%s|\s+", text), key=len)
                pattern = r"(\S.*?)".join(r"\s+".join(re.escape(word) for word in part.split(" ")) for part in parts)
                if text.endswith("%s"):
                    pattern = pattern.removesuffix(r"(\S.*?)") + r"(\S[^\n]*)"
                if kind in _STRICT:
                    pattern = r"(?m)(?:^|:[ \xa0]{1,2})" + pattern
                rows.append(_Text(kind, language, needle, re.compile(pattern)))
    return tuple(rows)


def sight_translated(text: str) -> Sighting | None:
    """The wall or look-alike that a translated PostgreSQL message names, or None when it is none of those known."""
    for row in _texts():
        if row.needle not in text:
            continue
        match = row.pattern.search(text)
        if match is None:
            continue
        kind = row.kind
        if kind == "pg_child_died":
            kind = "pg_killed" if "9" in match.groups() else "pg_crash"
        wall, role = _meaning()[kind]
        name = match.group(1).strip("«»\"' \xa0") if match.lastindex else None
        return Sighting(wall, kind, role, match.start(), name, row.language)
    return None
