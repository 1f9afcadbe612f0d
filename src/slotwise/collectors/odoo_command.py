"""Recognises an Odoo process by its command line: how it was started, and what it was asked to do.

Odoo starts as `odoo-bin`, `odoo` (Debian package, Docker image, pip) or `python -m odoo`; the kernel or a re-exec
(odoo/service/server.py, _reexec, 17.0 to 19.0) puts the interpreter in front. Its gevent process is `odoo-bin gevent
…` (long_polling_spawn). A worker may have replaced its command line by a title, where setproctitle is installed:
`odoo: WorkerHTTP 123` (Worker.setproctitle). An editor or a grep that merely mentions odoo is no Odoo.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from msgspec import Struct

_INTERPRETER = re.compile(r"^(?:python|pypy)[\d.]*(?:-dbg)?$")
_SCRIPT = re.compile(
    r"^(?:start[_-])?odoo(?:[_-]?\d+(?:\.\d+)?)?(?:[_-](?:bin|server|gevent))?(?:\.py)?$", re.IGNORECASE
)
_CLICK_ODOO = re.compile(r"^click-odoo(?:-\w+)*(?:\.py)?$")
_LAUNCHERS = frozenset({"coverage", "coverage3", "debugpy", "pydevd.py", "memray", "cProfile", "pdb", "viztracer"})
_TITLE = re.compile(r"^odoo: (?P<worker>Worker\w+)\b")
_INTERPRETER_OPTIONS_WITH_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})
_SERVER_COMMANDS = frozenset({"server", "start"})


class OdooCommand(Struct, frozen=True):
    """How an Odoo process was started. ``subcommand`` is ``server`` where none was given; ``options`` is what follows.

    ``worker`` is the class that a process title names (``WorkerHTTP``); such a process shows no options.
    """

    script: str
    subcommand: str
    options: tuple[str, ...]
    worker: str | None = None

    @property
    def name(self) -> str:
        """The script's name, for people: ``odoo-bin``."""
        return posixpath.basename(self.script)

    @property
    def is_server(self) -> bool:
        """Whether it was asked to serve (and not to scaffold, populate, open a shell …)."""
        return self.subcommand in _SERVER_COMMANDS


def odoo_command(arguments: Sequence[str]) -> OdooCommand | None:
    """The Odoo command that this command line starts, or None where it is no Odoo process."""
    given = [a for a in arguments if a]
    if not given:
        return None
    titled = _TITLE.match(" ".join(given))
    if titled:
        return OdooCommand("odoo", "server", (), titled["worker"])
    first = posixpath.basename(given[0])
    if _INTERPRETER.match(first):
        return _interpreted(given[1:])
    if _SCRIPT.match(first):
        return _command(given[0], given[1:])
    if _CLICK_ODOO.match(first):
        return OdooCommand(given[0], "click-odoo", tuple(given[1:]))
    return None


def _interpreted(arguments: list[str]) -> OdooCommand | None:
    """What an interpreter runs: a script, or a module after -m; never the text after -c."""
    at = 0
    while at < len(arguments):
        argument = arguments[at]
        if argument in _INTERPRETER_OPTIONS_WITH_VALUE:
            at += 2
        elif argument == "-m" or (argument.startswith("-m") and len(argument) > 2):
            module = argument[2:] or (arguments[at + 1] if at + 1 < len(arguments) else "")
            rest = arguments[at + (1 if argument[2:] else 2) :]
            if module in ("odoo", "odoo.cli", "odoo.__main__"):
                return _command("odoo", rest)
            return _launched(rest) if module in _LAUNCHERS else None
        elif argument.startswith("-c") and not argument.startswith("--"):
            return None
        elif argument.startswith("-"):
            at += 1
        else:
            return _script(argument, arguments[at + 1 :])
    return None


def _script(path: str, rest: list[str]) -> OdooCommand | None:
    name = posixpath.basename(path)
    if _SCRIPT.match(name):
        return _command(path, rest)
    if _CLICK_ODOO.match(name):
        return OdooCommand(path, "click-odoo", tuple(rest))
    return _launched(rest) if name in _LAUNCHERS else None


def _launched(arguments: list[str]) -> OdooCommand | None:
    """Odoo under a debugger, profiler or coverage: the first argument that is an Odoo script, or `-m odoo`."""
    for at, argument in enumerate(arguments):
        if argument == "-m" and arguments[at + 1 : at + 2] == ["odoo"]:
            return _command("odoo", arguments[at + 2 :])
        if not argument.startswith("-") and _SCRIPT.match(posixpath.basename(argument)):
            return _command(argument, arguments[at + 1 :])
    return None


def _command(script: str, rest: list[str]) -> OdooCommand:
    """Finds the subcommand as odoo/cli/command.py does: the first argument, after at most one --addons-path=…."""
    at = 1 if len(rest) > 1 and rest[0].startswith("--addons-path=") and not rest[1].startswith("-") else 0
    if len(rest) > at and not rest[at].startswith("-"):
        return OdooCommand(script, rest[at], (*rest[:at], *rest[at + 1 :]))
    return OdooCommand(script, "server", tuple(rest))
