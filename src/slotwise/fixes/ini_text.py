"""Changes one value in an ini file and nothing else: comments, order, spacing, line endings and encoding marks stay.

Two dialects. Odoo reads odoo.conf with Python's RawConfigParser (odoo/tools/config.py, 17.0 to 19.0): keys are
lower-cased,
an indented line continues the value above it, there are no inline comments. PgBouncer reads its own format
(lib/usual/cfparser.c,
1.18 to 1.26): one line a value, the last one wins, ``%include`` pulls in files. A library that rewrites the file
(configparser) loses comments; configupdater, which keeps them, refuses duplicate keys and ``%include``, which real
files have.
"""

from __future__ import annotations

import re
from typing import Literal

Dialect = Literal["odoo", "pgbouncer"]

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_SECTION = re.compile(r"\s*\[(?P<name>[^\]]+)\]")
_KEY = {
    "odoo": re.compile(r"(?P<key>[^\s#;\[=:][^=:]*?)(?P<sep>\s*[=:][ \t]*)(?P<value>.*)"),
    "pgbouncer": re.compile(r"\s*(?P<key>\"[^\"]*\"|[^\s#;%\[=][^=]*?)(?P<sep>\s*=[ \t]*)(?P<value>.*)"),
}


def set_value(text: str, section: str, key: str, value: str | None, dialect: Dialect) -> str:
    """``text`` with ``key`` of ``section`` set to ``value`` (None removes it). Equal text when it is so already.

    Where the key stands more than once, the one that counts (the last) is changed. A missing key is put at the end of
    its section, a missing section at the end of the file.
    """
    lines = _LINE.findall(text)
    start, end = _section(lines, section, dialect)
    ending = _line_ending(lines)
    if start is None:
        return text if value is None else _with_section(text, section, f"{key} = {value}", ending)
    places = [n for n in range(start, end) if _key_at(lines[n], dialect) == _normal(key, dialect)]
    if not places:
        return text if value is None else _inserted(lines, start, end, f"{key} = {value}", ending)
    if value is None:
        doomed = {m for n in places for m in range(n, _value_end(lines, n, end, dialect))}
        return "".join(line for n, line in enumerate(lines) if n not in doomed)
    at = places[-1]
    match = _KEY[dialect].match(_body(lines[at]))
    assert match is not None
    stop = _value_end(lines, at, end, dialect)
    if _value(lines, at, stop, match) == value:
        return text
    tail = lines[at][len(_body(lines[at])) :]
    changed = _body(lines[at])[: match.start("value")] + value + tail
    return "".join([*lines[:at], changed, *lines[stop:]])


def get_value(text: str, section: str, key: str, dialect: Dialect) -> str | None:
    """The value that counts, stripped, or None where the key is not there."""
    lines = _LINE.findall(text)
    start, end = _section(lines, section, dialect)
    if start is None:
        return None
    places = [n for n in range(start, end) if _key_at(lines[n], dialect) == _normal(key, dialect)]
    if not places:
        return None
    match = _KEY[dialect].match(_body(lines[places[-1]]))
    assert match is not None
    return _value(lines, places[-1], _value_end(lines, places[-1], end, dialect), match)


def keys(text: str, section: str, dialect: Dialect) -> tuple[str, ...]:
    """The keys of a section in order, without repeats, as their dialect spells them."""
    lines = _LINE.findall(text)
    start, end = _section(lines, section, dialect)
    found = (_key_at(lines[n], dialect) for n in range(start, end)) if start is not None else ()
    return tuple(dict.fromkeys(k for k in found if k is not None))


def _value(lines: list[str], at: int, stop: int, match: re.Match[str]) -> str:
    first = match.group("value").strip()
    more = [_body(line).strip() for line in lines[at + 1 : stop]]
    return "\n".join([first, *(m for m in more if m and m[0] not in "#;")])


def _body(line: str) -> str:
    return line.rstrip("\n").rstrip("\r") if line.endswith("\n") else line


def _line_ending(lines: list[str]) -> str:
    crlf = sum(1 for line in lines if line.endswith("\r\n"))
    return "\r\n" if crlf * 2 > len(lines) else "\n"


def _normal(key: str, dialect: Dialect) -> str:
    return key.strip().lower() if dialect == "odoo" else key.strip().strip('"')


def _key_at(line: str, dialect: Dialect) -> str | None:
    body = _body(line)
    if body.lstrip()[:1] in ("", "#", ";", "[", "%"):
        return None
    match = _KEY[dialect].match(body)
    return _normal(match.group("key"), dialect) if match else None


def _section(lines: list[str], section: str, dialect: Dialect) -> tuple[int | None, int]:
    """First and last+1 line of the section's body; of the last one where it stands twice (PgBouncer allows that)."""
    found: tuple[int | None, int] = (None, 0)
    start: int | None = None
    for n, line in enumerate(lines):
        match = _SECTION.match(line.lstrip("\ufeff") if n == 0 else line)
        if not match or (dialect == "odoo" and line[:1] in " \t"):
            continue
        if start is not None:
            found = (start, n)
        start = n + 1 if match.group("name").strip() == section else None
    if start is not None:
        found = (start, len(lines))
    return found


def _value_end(lines: list[str], at: int, end: int, dialect: Dialect) -> int:
    """The line after the value's last: RawConfigParser continues a value on deeper indented lines, over blank ones
    too."""
    if dialect != "odoo":
        return at + 1
    stop = at + 1
    for n in range(at + 1, end):
        body = _body(lines[n])
        if body[:1] in (" ", "\t") and body.strip():
            stop = n + 1
        elif body.strip() and body.lstrip()[0] not in "#;":
            break
    return stop


def _inserted(lines: list[str], start: int, end: int, entry: str, ending: str) -> str:
    last = max((n for n in range(start, end) if lines[n].strip()), default=start - 1)
    before = "".join(lines[: last + 1])
    if not before.endswith("\n"):
        before += ending
    return before + entry + ending + "".join(lines[last + 1 :])


def _with_section(text: str, section: str, entry: str, ending: str) -> str:
    if text and not text.endswith("\n"):
        text += ending
    gap = ending if text.strip() else ""
    return f"{text}{gap}[{section}]{ending}{entry}{ending}"
