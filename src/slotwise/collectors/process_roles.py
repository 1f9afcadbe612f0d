"""Tells which part each Odoo process plays: by its command line, its parent and the HTTP socket that it holds.

In prefork mode the master opens the HTTP socket and forks; HTTP workers keep it, cron workers close it
(WorkerCron.start) and the gevent process is a program of its own (odoo/service/server.py, PreforkServer, 17.0 to 19.0).
OCA queue_job adds a forked child that keeps the HTTP socket too (queue_job/jobrunner/__init__.py, WorkerJobRunner):
only its title or its sessions tell it from an HTTP worker.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from slotwise.collectors.odoo_command import OdooCommand, odoo_command
from slotwise.collectors.process_facts import ProcessFacts
from slotwise.snapshot.processes import ProcessRole

_WORKER_ROLES: dict[str, ProcessRole] = {
    "WorkerHTTP": "http_worker",
    "WorkerCron": "cron_worker",
    "WorkerJobRunner": "queue_job",
}
_ENDS_BY_ITSELF = re.compile(r"^--(?:stop-after-init|test-enable|test-tags|test-file|i18n-export|i18n-import)(?:=|$)")
_INSTALLS = re.compile(r"^(?:-[iu].*|--(?:init|update|reinit)(?:=.*)?)$")


class OdooProcess(Struct, frozen=True):
    """One Odoo process. ``root`` is the pid of the server that it belongs to, its own for a server, else None.

    ``evidence`` says in words how the role was found.
    """

    facts: ProcessFacts
    command: OdooCommand
    role: ProcessRole
    root: int | None
    evidence: str


WorkersOf = Callable[[ProcessFacts, OdooCommand], "int | None"]


def odoo_processes(
    facts: Iterable[ProcessFacts], listening: Mapping[int, int], workers_of: WorkersOf
) -> tuple[OdooProcess, ...]:
    """The Odoo processes among ``facts``, each with its role.

    ``listening`` maps the inode of each listening TCP socket to its port. ``workers_of`` gives the effective option
    ``workers`` of a server, None where it cannot be known; it is asked only where processes do not tell.
    """
    by_pid = {f.pid: f for f in facts}
    commands = {pid: c for pid, f in by_pid.items() if (c := odoo_command(f.arguments)) is not None}
    return tuple(_Roles(by_pid, commands, listening, workers_of).role(pid) for pid in sorted(commands))


class _Roles:
    def __init__(
        self,
        facts: Mapping[int, ProcessFacts],
        commands: Mapping[int, OdooCommand],
        listening: Mapping[int, int],
        workers_of: WorkersOf,
    ) -> None:
        self._facts = facts
        self._commands = commands
        self._listening = listening
        self._workers_of = workers_of
        self._children: dict[int, list[int]] = {}
        for pid in commands:
            self._children.setdefault(facts[pid].ppid, []).append(pid)

    def role(self, pid: int) -> OdooProcess:
        facts, command = self._facts[pid], self._commands[pid]
        parent = facts.ppid if self._is_server_parent(facts.ppid, command) else None
        if command.subcommand == "gevent":
            return OdooProcess(facts, command, "gevent", parent or pid, "started as `odoo gevent`")
        if command.subcommand == "shell":
            return OdooProcess(facts, command, "shell", None, "started as `odoo shell`")
        if not command.is_server:
            return OdooProcess(facts, command, "cli", None, f"started as `odoo {command.subcommand}`")
        if command.worker is not None:
            role = _WORKER_ROLES.get(command.worker, "unknown")
            return OdooProcess(facts, command, role, facts.ppid, f"process title {command.worker}")
        if parent is not None:
            return self._child(facts, command, parent)
        return self._root(facts, command)

    def _is_server_parent(self, ppid: int, command: OdooCommand) -> bool:
        parent = self._commands.get(ppid)
        if parent is None or not parent.is_server or parent.worker is not None:
            return False
        return command.subcommand == "gevent" or command.worker is not None or command.options == parent.options

    def _child(self, facts: ProcessFacts, command: OdooCommand, parent: int) -> OdooProcess:
        shared = self._http_sockets(parent)
        if facts.inodes is None or shared is None:
            return OdooProcess(facts, command, "unknown", parent, "a worker whose sockets cannot be seen")
        if shared.intersection(facts.inodes):
            return OdooProcess(facts, command, "http_worker", parent, "child of the master, holds its HTTP socket")
        return OdooProcess(facts, command, "cron_worker", parent, "child of the master without its HTTP socket")

    def _http_sockets(self, master: int) -> frozenset[int] | None:
        """The HTTP socket of a master: it listens; or, where its network namespace cannot be read, the sockets that
        some of its children share with it and others do not."""
        held = self._facts[master].inodes
        if held is None:
            return None
        listening = frozenset(i for i in held if i in self._listening)
        if listening or not held:
            return listening
        kin = [self._facts[c].inodes or () for c in self._forked(master)]
        return frozenset(i for i in held if any(i in k for k in kin) and not all(i in k for k in kin))

    def _forked(self, pid: int) -> list[int]:
        server = self._commands[pid]
        return [
            child
            for child in self._children.get(pid, ())
            if self._commands[child].worker is not None
            or (self._commands[child].is_server and self._commands[child].options == server.options)
        ]

    def _root(self, facts: ProcessFacts, command: OdooCommand) -> OdooProcess:
        pid = facts.pid
        if any(_ENDS_BY_ITSELF.match(option) for option in command.options):
            return OdooProcess(facts, command, "cli", None, "started to do one thing and end")
        if any(self._commands[c].subcommand == "gevent" for c in self._children.get(pid, ())) or self._forked(pid):
            return OdooProcess(facts, command, "master", pid, "has worker processes")
        serves = any(i in self._listening for i in facts.inodes or ())
        if not serves and facts.inodes is not None and any(_INSTALLS.match(option) for option in command.options):
            return OdooProcess(facts, command, "cli", None, "installs or updates modules")
        workers = self._workers_of(facts, command)
        if workers:
            return OdooProcess(facts, command, "master", pid, f"workers = {workers}, no worker process seen")
        if workers == 0:
            return OdooProcess(facts, command, "threaded", pid, "workers = 0")
        if serves:
            return OdooProcess(facts, command, "threaded", pid, "serves HTTP itself, has no worker process")
        return OdooProcess(facts, command, "unknown", pid, "its configuration cannot be read")
