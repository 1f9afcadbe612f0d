"""PostgreSQL's messages in 16 other languages, from its message catalogues (po files of 12-18).

The table is data (``translations.json``: kind, language, texts with ``%s`` for a value) and is read only when a text is
not recognised in English, because start-up counts on a sick server.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec

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


_PLAIN = {"«": r"(?:«|<<|\?)", "»": r"(?:»|>>|\?)", "„": r"(?:„|,,|\?)", "“": r"(?:“|\"|\?)", "’": r"[’'?]"}
_PLAIN |= {wide: rf"[{wide}{narrow}?]" for wide, narrow in zip("，。：；（）", ",.:;()", strict=True)}
"""What glibc writes for quotation marks when the server's LC_CTYPE is C; every other foreign letter becomes ``?``."""
_SEVERITY_LOST = re.compile(r"^.*?\?{2,}:  ")
_LOST_LETTERS = re.compile(r"\w\?|\?\w|\?\?|<< ")


class _Text(NamedTuple):
    kind: str
    language: str
    needle: str
    """The longest word: must occur in the text, or ``plain`` must."""
    plain: str
    """The longest word of ASCII letters only; empty when there is none (Cyrillic, Chinese)."""
    text: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when its needle was found: compiling all takes longer than the rest of doctor."""
        return _pattern(self.kind, self.text)


@lru_cache(maxsize=1)
def _meaning() -> dict[str, tuple[Wall, Role]]:
    """Wall and role of each kind, from the English tables, which are the only place that decides them."""
    meaning = {row.kind: (row.wall, row.role) for row in (*LOST, *LOOKALIKES, *WALLS)}
    meaning["pg_child_died"] = (Wall.OTHER, Role.CAUSE)
    return meaning


@lru_cache(maxsize=1)
def _texts() -> tuple[_Text, ...]:
    """The table in the order in which it decides."""
    table = msgspec.json.decode(_TABLE.read_bytes(), type=dict[str, dict[str, list[str]]])
    order = [*_WALLS_FIRST, *(kind for kind in table if kind not in _WALLS_FIRST)]
    return tuple(
        _text(kind, language, text) for kind in order for language, texts in table[kind].items() for text in texts
    )


def _text(kind: str, language: str, text: str) -> _Text:
    words = text.replace("%s", " ").split()
    needle = max(words, key=len)
    plain = max((word for word in words if word.isascii() and len(word) > 2), key=len, default="")
    return _Text(kind, language, needle, plain, text)


@lru_cache(maxsize=1024)
def _pattern(kind: str, text: str) -> re.Pattern[str]:
    pattern = r"(\S.*?)".join(r"\s+".join(map(_letters, part.split(" "))) for part in text.split("%s"))
    if text.endswith("%s"):
        pattern = pattern.removesuffix(r"(\S.*?)") + r"(\S[^\n]*)"
    if kind in _STRICT:
        pattern = r"(?m)(?:^|:[ \xa0]{1,2})" + pattern
    return re.compile(pattern)


def _letters(word: str) -> str:
    """A pattern for one word, with foreign letters or what a server with LC_CTYPE C makes of them."""
    return "".join(re.escape(letter) if letter.isascii() else _PLAIN.get(letter, rf"[{letter}?]") for letter in word)


def sight_translated(text: str) -> Sighting | None:
    """The wall or look-alike that a translated PostgreSQL message names, or None when it is none of those known.

    A server whose LC_CTYPE is C writes ``d?sol?, trop de clients`` for ``désolé``: such texts are read as well, when
    the letters that are left over say enough; of a Cyrillic or Chinese message only its shape is left, which counts
    only if it fits one kind alone.
    """
    lossy = _LOST_LETTERS.search(text) is not None
    for row in _texts():
        if row.needle not in text and not (lossy and row.plain and row.plain in text):
            continue
        match = row.pattern.search(text)
        if match is not None:
            return _sighting(row, match)
    return _by_shape(text) if "???" in text else None


def _by_shape(text: str) -> Sighting | None:
    """A message of which only question marks are left: recognised if its words' lengths fit one kind alone."""
    found: dict[str, tuple[_Text, re.Match[str]]] = {}
    for line in text.splitlines():
        message = _SEVERITY_LOST.sub("", line)
        for row in _texts():
            if row.plain:
                continue
            match = row.pattern.fullmatch(message.rstrip())
            if match is not None:
                found.setdefault(row.kind, (row, match))
    if len(found) != 1:
        return None
    row, match = next(iter(found.values()))
    seen = _sighting(row, match)
    return Sighting(seen.wall, seen.kind, seen.role, 0, seen.name, "?")


def _sighting(row: _Text, match: re.Match[str]) -> Sighting:
    kind = row.kind
    if kind == "pg_child_died":
        kind = "pg_killed" if "9" in match.groups() else "pg_crash"
    wall, role = _meaning()[kind]
    name = match.group(1).strip("«»\"'<> \xa0") if match.lastindex else None
    return Sighting(wall, kind, role, match.start(), name, row.language)
