"""Reads the text of an odoo.conf as Odoo does: RawConfigParser, section `[options]` only, keys in lower case.

No inline comments (`workers = 4 ; four` is the value `4 ; four`), no interpolation; what the parser refuses stops Odoo
itself at its start (odoo/tools/config.py, configmanager.load, 17.0 to 19.0: only a missing file and a missing section
are forgiven).
"""

from __future__ import annotations

import configparser
import re

from msgspec import Struct

from slotwise.errors import OperatorError

SECTION = "options"
_SECTION_HEAD = re.compile(r"^\[(?P<name>[^]]+)\]")


class ConfEntry(Struct, frozen=True):
    """One key of the file with its raw text. ``line`` is 1-based, None where it could not be told."""

    section: str
    name: str
    value: str
    line: int | None


class OdooConf(Struct, frozen=True):
    """A parsed odoo.conf. ``entries`` are those of `[options]`, ``elsewhere`` those of other sections, which Odoo
    itself does not read as options."""

    path: str
    entries: tuple[ConfEntry, ...]
    elsewhere: tuple[ConfEntry, ...]
    has_section: bool

    def __repr__(self) -> str:
        return f"OdooConf(path={self.path!r})"

    def where(self, entry: ConfEntry) -> str:
        """The place of an entry: ``/etc/odoo/odoo.conf:12``."""
        return self.path if entry.line is None else f"{self.path}:{entry.line}"


def parse_odoo_conf(content: bytes, path: str) -> OdooConf:
    """The entries of an odoo.conf. ``path`` is named in messages and sources.

    Raises OperatorError where Odoo itself could not start with it: not UTF-8, a line outside a section, a key or a
    section twice.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        at = content[: error.start].count(b"\n") + 1
        raise OperatorError(
            f"{path}:{at} is not UTF-8", "save the file as UTF-8; Odoo does not start with it"
        ) from error
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text, path)
    except configparser.Error as error:
        raise OperatorError(_problem(path, error), "mend that line; Odoo does not start with it") from error
    lines = _line_numbers(text)
    entries: list[ConfEntry] = []
    if parser.has_section(SECTION):
        for name, value in parser.items(SECTION):
            line = lines.get((SECTION, name)) or lines.get((configparser.DEFAULTSECT, name))
            entries.append(ConfEntry(SECTION, name, value or "", line))
    elsewhere = [
        ConfEntry(section, name, value or "", lines.get((section, name)))
        for section in parser.sections()
        if section != SECTION
        for name, value in parser.items(section)
    ]
    return OdooConf(path, tuple(entries), tuple(elsewhere), parser.has_section(SECTION))


def _problem(path: str, error: configparser.Error) -> str:
    """One line that names the place and never quotes a value: the line may hold a password."""
    line = getattr(error, "lineno", None)
    if isinstance(error, configparser.DuplicateOptionError):
        return f"{path}:{line} sets {error.option} a second time in [{error.section}]"
    if isinstance(error, configparser.DuplicateSectionError):
        return f"{path}:{line} opens section [{error.section}] a second time"
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"{path}:{line} stands before any section; Odoo needs [options] above it"
    if isinstance(error, configparser.ParsingError):
        places = ", ".join(str(number) for number, _ in error.errors[:3])
        return f"{path}:{places} is neither `key = value` nor a comment"
    return f"{path} cannot be parsed ({type(error).__name__})"


def _line_numbers(text: str) -> dict[tuple[str, str], int]:
    """(section, key) -> line. Indented lines continue a value, as in configparser."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        head = _SECTION_HEAD.match(line.strip())
        if head and not line[:1].isspace():
            section = head["name"]
            continue
        if line[:1].isspace() or line.lstrip()[:1] in ("#", ";", ""):
            continue
        name = re.split(r"[=:]", line, maxsplit=1)[0].strip().lower()
        found.setdefault((section, name), number)
    return found
