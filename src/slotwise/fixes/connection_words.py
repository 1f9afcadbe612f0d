"""The words of an entry in PgBouncer's [databases]: ``host=10.0.0.1 port=5432 password='it''s'``, order kept.

Syntax as in PgBouncer's loader.c (parse_database) and libusual's cfparser.c, 1.18 to 1.26.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"(?P<key>\w+)\s*=\s*(?P<value>'(?:[^']|'')*'|[^\s']\S*|(?=\s|$))")


def parse_words(text: str) -> dict[str, str]:
    """Keys (lower case) and values without their quotes, in order."""
    found: dict[str, str] = {}
    for match in _WORD.finditer(text):
        value = match["value"]
        found[match["key"].lower()] = value[1:-1].replace("''", "'") if value.startswith("'") else value
    return found


def written(words: dict[str, str]) -> str:
    """The words on one line; a value with spaces, quotes or nothing in it gets quotes."""
    return " ".join(f"{key}={_quoted(value)}" for key, value in words.items())


def _quoted(value: str) -> str:
    if value and not re.search(r"[\s']", value):
        return value
    return "'" + value.replace("'", "''") + "'"
