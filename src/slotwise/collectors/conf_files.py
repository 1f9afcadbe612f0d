"""Reads postgresql.conf with everything that it includes, and postgresql.auto.conf after it: the last line wins.

Syntax of src/backend/utils/misc/guc-file.l, 12 to 18: `name = value`, the `=` optional, values quoted with `''` and
backslashes or bare, `#` comments; `include`, `include_if_exists`, `include_dir` with names relative to the file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Literal

from msgspec import Struct

_LINE = re.compile(
    r"^\s*(?P<name>[A-Za-z_][\w.$]*)\s*(?:=\s*|\s+|(?='))(?:'(?P<quoted>(?:[^'\\\n]|''|\\.)*)'|(?P<bare>[^\s#']+))?\s*(?:#.*)?$"
)
_ESCAPE = re.compile(r"''|\\([0-7]{1,3}|.)")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_MOST_DEPTH = 10  # CONF_FILE_MAX_DEPTH, src/include/utils/conffiles.h

Include = Literal["include", "include_if_exists", "include_dir"]


class ConfValue(Struct, frozen=True):
    """One parameter as the files set it, with its place: ``/etc/postgresql/15/main/postgresql.conf:12``."""

    value: str
    file: str
    line: int

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}"


class ConfFiles(Struct, frozen=True):
    """What the files say together. ``files`` were read; ``unread`` could not be, so a value may be missing here."""

    values: Mapping[str, ConfValue]
    files: tuple[str, ...]
    unread: tuple[str, ...]


class Reading(Struct, frozen=True):
    """How files are reached: ``text`` gives a file's content or None, ``names`` the file names of a directory or
    None."""

    text: Callable[[str], str | None]
    names: Callable[[str], list[str] | None]


def read_conf_files(main: str, auto: str, reading: Reading) -> ConfFiles:
    """The values of postgresql.conf (``main``) with what it includes, then of postgresql.auto.conf (``auto``, which may
    be missing). Names are absolute."""
    state = _State(reading)
    state.read(main, required=True, depth=0)
    state.read(auto, required=False, depth=0)
    return ConfFiles(state.values, tuple(state.files), tuple(state.unread))


class _State:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.values: dict[str, ConfValue] = {}
        self.files: list[str] = []
        self.unread: list[str] = []

    def read(self, path: str, *, required: bool, depth: int) -> None:
        text = self._reading.text(path) if depth <= _MOST_DEPTH else None
        if text is None:
            if required:
                self.unread.append(path)
            return
        self.files.append(path)
        for number, line in enumerate(text.splitlines(), 1):
            pair = parse_conf_line(line)
            if pair is None:
                continue
            name, value = pair
            if name in ("include", "include_if_exists"):
                target = posixpath.join(posixpath.dirname(path), value)
                self.read(target, required=name == "include", depth=depth + 1)
            elif name == "include_dir":
                self._directory(posixpath.join(posixpath.dirname(path), value), depth)
            else:
                self.values[name] = ConfValue(value, path, number)

    def _directory(self, path: str, depth: int) -> None:
        names = self._reading.names(path)
        if names is None:
            self.unread.append(path)
            return
        for name in sorted(n for n in names if n.endswith(".conf") and not n.startswith(".")):
            self.read(posixpath.join(path, name), required=True, depth=depth + 1)


def parse_conf_line(line: str) -> tuple[str, str] | None:
    """Name in lower case and value of one line; None for a comment, an empty line or one that PostgreSQL refuses."""
    match = _LINE.match(line)
    if match is None:
        return None
    quoted, bare = match["quoted"], match["bare"]
    if quoted is None and bare is None:
        return None
    value = bare if quoted is None else _ESCAPE.sub(_unescaped, quoted)
    return match["name"].lower(), value


def _unescaped(match: re.Match[str]) -> str:
    escaped = match[1]
    if escaped is None:
        return "'"
    if escaped[0] in "01234567":
        return chr(int(escaped, 8) & 0xFF)
    return _ESCAPES.get(escaped, escaped)
