"""Lines of postgresql.conf: reads what decides where a drop-in is read, writes a file of settings.

Grammar of src/backend/utils/misc/guc-file.l, 12 to 18: ``name = value`` with an optional ``=``, single quotes doubled
or escaped by a backslash, ``#`` comments, and the directives include, include_if_exists and include_dir.
"""

from __future__ import annotations

import re

from slotwise.fixes.sql_text import parameter

HEAD = "# Written by `slotwise fix`. `slotwise fix --rollback` brings the former content back.\n"

_LINE = re.compile(r"^\s*(?P<name>[A-Za-z_][\w$.]*)\s*(?:=|\s)\s*(?P<value>'(?:[^'\\]|''|\\.)*'|[^\s#']+)")


def setting_line(name: str, value: str) -> str:
    """``name = 'value'``, quoted so that any text stays what it is. Raises ValueError for a name that is none."""
    if "\n" in value or "\0" in value:
        raise ValueError(f"the value of {name} cannot stand on one line")
    quoted = value.replace("\\", "\\\\").replace("'", "''")
    return f"{parameter(name)} = '{quoted}'"


def with_settings(text: str, values: dict[str, str]) -> str:
    """A file of settings with ``values`` set: each in its own line, the other lines as they are, no name twice."""
    lines = (text or HEAD).splitlines(keepends=True)
    left = dict(values)
    kept: list[str] = []
    for line in lines:
        found = _LINE.match(line)
        name = found["name"].lower() if found is not None else None
        if name is not None and name in values:
            if name in left:
                ending = line[len(line.rstrip("\r\n")) :] or "\n"
                new = setting_line(name, left.pop(name)) + ending
                kept.append(line if _same(line, new) else new)
            continue
        kept.append(line)
    if kept and not kept[-1].endswith("\n"):
        kept[-1] += "\n"
    return "".join([*kept, *(f"{setting_line(name, value)}\n" for name, value in left.items())])


def settings_of(text: str) -> list[tuple[str, str]]:
    """Names (lower case) and values in the order of the lines, directives among them, quotes taken off."""
    found = (_LINE.match(line) for line in text.splitlines())
    return [(m["name"].lower(), _unquoted(m["value"])) for m in found if m is not None]


def include_dirs(text: str) -> tuple[str, ...]:
    """The directories of the include_dir directives, in order."""
    return tuple(value for name, value in settings_of(text) if name == "include_dir")


def names_after(text: str, directory: str) -> frozenset[str]:
    """Settings that stand after the last ``include_dir`` of ``directory``: they win over what is in it.

    An include after it may set anything, which ``*`` says.
    """
    pairs = settings_of(text)
    at = max((n for n, pair in enumerate(pairs) if pair == ("include_dir", directory)), default=-1)
    later = {name for name, _ in pairs[at + 1 :]}
    directives = later & {"include", "include_if_exists", "include_dir"}
    return frozenset(later - directives | ({"*"} if directives else set()))


def _same(line: str, new: str) -> bool:
    old, wanted = settings_of(line), settings_of(new)
    return old == wanted


def _unquoted(value: str) -> str:
    if not value.startswith("'"):
        return value
    inner = value[1:-1].replace("''", "'")
    return re.sub(r"\\(.)", r"\1", inner)
