"""systemd drop-ins: settings of a service beside its unit, which an upgrade of the package leaves alone."""

from __future__ import annotations

import re
from typing import TypeGuard

from msgspec import Struct

from slotwise.fixes.remedy import Step, WriteFile

_VALUE = r"""(?P<value>"[^"]*"|'[^']*'|[^\s"']+)"""
_PLAIN = re.compile(r"[\w./:@,+-]+", re.ASCII)


class OdooUnit(Struct, frozen=True, kw_only=True):
    """The service that starts an instance of Odoo. ``command`` is its only ExecStart, as the unit files have it, None
    where there is none or more than one; ``flags`` are the flags of each option of its version; ``drop_in`` is what
    stands in slotwise's own drop-in; ``overruled`` says that a later drop-in sets the command too."""

    name: str
    command: str | None
    flags: dict[str, tuple[str, ...]]
    drop_in: bytes | None = None
    overruled: bool = False


def open_files(limit: int) -> str:
    """A drop-in that raises the limit of open files: a client that finds none left hangs without any message."""
    return f"# Written by `slotwise fix`.\n[Service]\nLimitNOFILE={limit}\n"


def path_of(unit: str) -> str:
    """Where the drop-in of a unit goes. Raises ValueError for a name that is no unit's."""
    if not unit or "/" in unit or unit.startswith("."):
        raise ValueError(f"{unit!r} is no unit")
    return f"/etc/systemd/system/{unit}.d/slotwise.conf"


def is_drop_in(step: Step) -> TypeGuard[WriteFile]:
    """Whether a step writes a drop-in: it counts only after systemd has read the units again."""
    return isinstance(step, WriteFile) and step.path.startswith("/etc/systemd/system/")


def commands_of(text: str, before: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The ExecStart commands after a unit file or drop-in was read: an empty one takes away those of ``before``
    (systemd.service(5)). Lines that end in a backslash go on (systemd.syntax(7))."""
    found = list(before)
    section = ""
    for line in _whole_lines(text):
        if line.startswith("["):
            section = line
        elif section == "[Service]" and (match := re.match(r"ExecStart\s*=\s*(.*)", line)):
            found = [*found, match[1]] if match[1] else []
    return tuple(found)


def _whole_lines(text: str) -> list[str]:
    """Lines without comments, continued ones joined by a space."""
    lines: list[str] = []
    open_line = ""
    for raw in text.splitlines():
        if raw.strip().startswith(("#", ";")):
            continue
        part = raw.strip()
        if part.endswith("\\"):
            open_line += part[:-1].rstrip() + " "
            continue
        lines.append((open_line + part).strip())
        open_line = ""
    return [*lines, open_line.strip()]


def with_option(command: str, flags: tuple[str, ...], value: str | None) -> str | None:
    """The command line with the option's value replaced (None: without the option). None where none of its flags
    stands there exactly once as it is written in full: then nobody but a person can change it."""
    spelled = "|".join(re.escape(flag) for flag in flags if flag.startswith("--"))
    short = "|".join(re.escape(flag) for flag in flags if not flag.startswith("--"))
    kinds = [rf"(?:{spelled})(?P<sign>=|\s+)"] if spelled else []
    places = [match for kind in kinds for match in re.finditer(rf"(?<!\S){kind}{_VALUE}(?!\S)", command)]
    if len(places) != 1 or (short and re.search(rf"(?<!\S)(?:{short})", command)):
        return None
    (match,) = places
    if value is None:
        return " ".join((command[: match.start()].rstrip(), command[match.end() :].lstrip())).strip()
    if not _PLAIN.fullmatch(value):
        return None
    return command[: match.start("value")] + value + command[match.end("value") :]


def start_drop_in(command: str) -> str:
    """A drop-in by which the service starts with this command and no other."""
    return f"# Written by `slotwise fix`.\n[Service]\nExecStart=\nExecStart={command}\n"


def changed_start(unit: OdooUnit, options: dict[str, str | None]) -> bytes | None:
    """The drop-in by which Odoo starts with these options; None where its command cannot be changed so."""
    if unit.command is None or unit.overruled:
        return None
    command: str | None = unit.command
    for name, value in options.items():
        command = with_option(command, unit.flags.get(name, ()), value) if command is not None else None
    return None if command is None else start_drop_in(command).encode()
