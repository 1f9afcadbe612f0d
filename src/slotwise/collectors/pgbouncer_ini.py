"""Reads pgbouncer.ini: what its console does not show (PgBouncer 1.18 keeps a ``*`` entry out of SHOW DATABASES).

Syntax as in libusual cfparser.c and PgBouncer's config.md, 1.18 to 1.26: ``[section]``, ``key = value``, comment
lines that begin with ``;`` or ``#``, ``%include FILE`` relative to the working directory of PgBouncer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from msgspec import Struct, field

_DEEPEST = 10
"""As deep as PgBouncer itself follows %include (MAX_INCLUDE in cfparser.c)."""
_MOST_INCLUDES = 100
"""No real configuration has more; files that include each other twice would double with each level."""
_SECTION = re.compile(r"^\[(?P<name>[^\]]+)\]")
_PAIR = re.compile(r"^(?P<key>\"(?:[^\"]|\"\")+\"|[^\s=]+)\s*=\s*(?P<value>.*)$")
_WORD = re.compile(r"(?P<key>\w+)\s*=\s*(?:'(?P<quoted>(?:[^']|'')*)'|(?P<bare>\S+))")
_SECRET = frozenset({"password", "auth_query"})


class PgBouncerIni(Struct, frozen=True):
    """What the file says. ``databases`` are the entries of [databases] with their words, passwords left out.

    ``complete`` is False where an included file could not be read: an entry that is not seen may still exist.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    databases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    complete: bool = True

    @property
    def wildcard(self) -> bool | None:
        """Whether a ``*`` entry exists; None where it may stand in a file that could not be read."""
        if "*" in self.databases:
            return True
        return False if self.complete else None

    @property
    def wildcard_pool_mode(self) -> str | None:
        """The pool mode of the ``*`` entry, where it has one of its own."""
        return self.databases.get("*", {}).get("pool_mode")


def parse_pgbouncer_ini(text: str, read: Callable[[str], str | None]) -> PgBouncerIni:
    """The file's content. ``read`` gives the text of an included file, or None where it cannot be read."""
    settings: dict[str, str] = {}
    databases: dict[str, Mapping[str, str]] = {}
    left = _MOST_INCLUDES

    def read_next(name: str) -> str | None:
        nonlocal left
        left -= 1
        return read(name) if left >= 0 else None

    _, complete = _parse(text, read_next, settings, databases, "", 0)
    return PgBouncerIni(settings, databases, complete)


def _parse(
    text: str,
    read: Callable[[str], str | None],
    settings: dict[str, str],
    databases: dict[str, Mapping[str, str]],
    section: str,
    depth: int,
) -> tuple[str, bool]:
    """Fill ``settings`` and ``databases``; returns the section at the end of the text and whether all was read."""
    complete = True
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line[0] in ";#":
            continue
        if line.lower().startswith("%include"):
            included = read(line[len("%include") :].strip()) if depth < _DEEPEST else None
            if included is None:
                complete = False
            else:
                section, whole = _parse(included, read, settings, databases, section, depth + 1)
                complete = complete and whole
            continue
        header = _SECTION.match(line)
        if header is not None:
            section = header["name"].strip().lower()
            continue
        pair = _PAIR.match(line)
        if pair is None:
            continue
        if section == "databases":
            databases[_unquoted(pair["key"])] = words(pair["value"])
        elif section == "pgbouncer":
            settings[pair["key"].lower()] = pair["value"].strip()
    return section, complete


def words(value: str) -> dict[str, str]:
    """``host=10.0.0.1 port=5432 pool_mode=session`` as a mapping; secrets are left out."""
    found: dict[str, str] = {}
    for match in _WORD.finditer(value):
        key = match["key"].lower()
        if key not in _SECRET:
            quoted = match["quoted"]
            found[key] = match["bare"] if quoted is None else quoted.replace("''", "'")
    return found


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
