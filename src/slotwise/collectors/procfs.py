"""Sweeps /proc once: every process with its command line, parent, start and sockets, cheaply enough for a sick host.

Two small files and one directory a process are read with plain system calls; psutil would open more of them
(docs/decisions/read-proc-directly.md has the measurement). A process that ends while it is looked at is left out.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from msgspec import Struct, field, structs

from slotwise.collectors.earlier_look import Stamp, Standing
from slotwise.collectors.odoo_command import odoo_command
from slotwise.collectors.process_facts import ProcessFacts
from slotwise.snapshot.evidence import Unavailable

_SOCKET_LINK = "socket:["
_CONTAINER_CGROUPS = ("docker", "containerd", "kubepods", "libpod", "/lxc", "crio-")
_SERVER_PROGRAMS = frozenset({"postgres", "postmaster", "pgbouncer"})
_ENVIRONMENT_PREFIXES = ("ODOO_", "PG", "OPENERP_SERVER", "HOME=", "LISTEN_")
_CLIENT = re.compile(r" (?P<addr>[0-9a-fA-F.:]+)\((?P<port>\d{1,5})\)(?: |$|\0)")
_KTHREADD = 2
_READ_BYTES = 65536


class Sweep(Struct, frozen=True):
    """Every process that could be seen. ``complete`` is False where some processes' sockets may not be read."""

    facts: tuple[ProcessFacts, ...]
    complete: bool
    stamps: Mapping[int, Stamp] = field(default_factory=dict)
    """By pid, of PostgreSQL's processes. Each was taken before anything else of the process was read."""

    def of_program(self, *names: str) -> tuple[ProcessFacts, ...]:
        """The processes whose program has one of these names."""
        return tuple(f for f in self.facts if f.program in names or f.command in names)


class KnownSockets(Struct, frozen=True):
    """Sockets that were read before the sweep. They spare it most of its cost on a server with many sessions.

    ``connected`` are the inodes of sockets that connect something: a PostgreSQL child is asked for its files only until
    one of them is met, because a backend has one client. ``by_peer`` maps a client's address and port to the inode of
    the one socket of this host that leads there: a child whose title names that client holds it, and is not asked.
    """

    connected: frozenset[int] = frozenset()
    by_peer: Mapping[tuple[str, int], int] = {}


def sweep(
    root: Path = Path("/"), known: KnownSockets | None = None, standing: Mapping[int, Standing] | None = None
) -> Sweep | Unavailable:
    """All processes under ``root``/proc, threads of the kernel left out.

    ``standing`` are sessions' processes of an earlier sweep, by pid: those that still live are not read again.
    """
    proc = os.path.join(os.fspath(root), "proc")
    booted_at = _boot_time(proc)
    ticks = os.sysconf("SC_CLK_TCK")
    try:
        pids = sorted(int(name) for name in os.listdir(proc) if name.isdecimal())
    except OSError as error:
        return Unavailable("/proc", error.strerror or "not readable", "run slotwise on the host of Odoo and PostgreSQL")
    found: list[ProcessFacts] = []
    taken_over: list[ProcessFacts] = []
    stamps: dict[int, Stamp] = {}
    for pid in pids:
        stamp, owner = _stamp_and_owner(f"{proc}/{pid}")
        before = standing.get(pid) if standing else None
        if before is not None and stamp is not None and before.stamp == stamp:
            taken_over.append(before.facts)
            stamps[pid] = stamp
            continue
        facts = _process(proc, pid, booted_at, ticks, known, owner)
        if facts is None:
            continue
        found.append(facts)
        if stamp is not None and facts.program == "postgres":
            stamps[pid] = stamp
    own_depth = _namespace_depth(f"{proc}/self")
    detailed = tuple(_with_details(proc, f, own_depth) for f in found)
    complete = all(f.inodes is not None for f in detailed)
    facts_by_pid = sorted((*_with_inherited(detailed, proc, own_depth), *taken_over), key=lambda f: f.pid)
    return Sweep(tuple(facts_by_pid), complete, stamps)


def command_line(pid: int, root: Path = Path("/")) -> str:
    """The command line of a process as one text at this moment; empty where it has ended."""
    return (_read(os.path.join(os.fspath(root), f"proc/{pid}/cmdline")) or "").replace("\0", " ").strip()


def open_sockets(pid: int, root: Path = Path("/")) -> tuple[int, ...]:
    """The inodes of a process's sockets at this moment; none where they may not be read."""
    return _socket_inodes(os.path.join(os.fspath(root), f"proc/{pid}/fd"), None) or ()


def _process(
    proc: str, pid: int, booted_at: float | None, ticks: int, known: KnownSockets | None, owner: str | None
) -> ProcessFacts | None:
    directory = f"{proc}/{pid}"
    stat = _read(f"{directory}/stat")
    if not stat:
        return None
    head, _, tail = stat.rpartition(")")
    fields = tail.split()
    if len(fields) < 20 or pid == _KTHREADD or fields[1] == str(_KTHREADD):
        return None
    text = _read(f"{directory}/cmdline")
    if text is None:
        return None
    arguments = tuple(text.rstrip("\0").split("\0")) if text.strip("\0") else ()
    if not arguments and fields[0] != "Z" and _is_kernel_thread(fields):
        return None
    return ProcessFacts(
        pid=pid,
        ppid=int(fields[1]),
        arguments=arguments,
        command=head.partition("(")[2],
        user=owner,
        started_at=booted_at + int(fields[19]) / ticks if booted_at is not None else None,
        inodes=_inodes(directory, text, known),
    )


def _inodes(directory: str, title: str, known: KnownSockets | None) -> tuple[int, ...] | None:
    if known is None or not title.startswith("postgres:"):
        return _socket_inodes(f"{directory}/fd", None)
    client = _CLIENT.search(title)
    inode = known.by_peer.get((client["addr"], int(client["port"]))) if client else None
    return (inode,) if inode is not None else _socket_inodes(f"{directory}/fd", known.connected)


def _is_kernel_thread(fields: list[str]) -> bool:
    """PF_KTHREAD in the flags (include/linux/sched.h)."""
    return bool(int(fields[6]) & 0x00200000)


def _socket_inodes(directory: str, until: Container[int] | None) -> tuple[int, ...] | None:
    """The inodes of the sockets among a process's open files; None where that may not be read."""
    found: list[int] = []
    try:
        names = os.listdir(directory)
    except PermissionError:
        return None
    except OSError:
        return ()
    for name in names:
        try:
            link = os.readlink(f"{directory}/{name}")
        except OSError:
            continue
        if link.startswith(_SOCKET_LINK):
            inode = int(link[len(_SOCKET_LINK) : -1])
            found.append(inode)
            if until is not None and inode in until:
                break
    return tuple(dict.fromkeys(found))


def _with_details(proc: str, facts: ProcessFacts, own_depth: int) -> ProcessFacts:
    """What only Odoo, servers and poolers are asked for: namespace, container, working directory, environment."""
    if facts.program in _SERVER_PROGRAMS and facts.title.startswith("postgres:"):
        return facts
    is_server = facts.program in _SERVER_PROGRAMS or facts.command in _SERVER_PROGRAMS
    if not is_server and odoo_command(facts.arguments) is None:
        return facts
    directory = f"{proc}/{facts.pid}"
    environment = _environment(directory)
    return structs.replace(
        facts,
        container=_in_container(directory, own_depth),
        namespace=_namespace(directory),
        cwd=_link(f"{directory}/cwd"),
        home=(environment or {}).get("HOME") or _home(facts.user),
        environment=environment,
    )


def _with_inherited(found: tuple[ProcessFacts, ...], proc: str, own_depth: int) -> tuple[ProcessFacts, ...]:
    """A PostgreSQL child runs where its postmaster runs.

    In a container it has another pid there, and its client's address says nothing about the sockets out here.
    """
    by_pid = {f.pid: f for f in found}

    def inherited(facts: ProcessFacts) -> ProcessFacts:
        parent = by_pid.get(facts.ppid)
        if facts.namespace is not None or parent is None or not facts.title.startswith("postgres:"):
            return facts
        facts = structs.replace(facts, namespace=parent.namespace, container=parent.container)
        if not parent.container:
            return facts
        directory = f"{proc}/{facts.pid}"
        numbers = _namespace_pids(directory)
        inside = numbers[-1] if len(numbers) > own_depth else None
        return structs.replace(facts, pid_inside=inside, inodes=_socket_inodes(f"{directory}/fd", None))

    return tuple(inherited(f) for f in found)


def _environment(directory: str) -> dict[str, str] | None:
    """The variables that Odoo or libpq read; None where the environment may not be read."""
    text = _read(f"{directory}/environ")
    if text is None:
        return None
    pairs = (entry.partition("=") for entry in text.split("\0") if entry.startswith(_ENVIRONMENT_PREFIXES))
    return {name: value for name, _, value in pairs}


def _in_container(directory: str, own_depth: int) -> bool:
    """In a pid namespace below ours, or in a control group that a container runtime made."""
    if _namespace_depth(directory) > own_depth:
        return True
    cgroup = _read(f"{directory}/cgroup") or ""
    return any(mark in cgroup for mark in _CONTAINER_CGROUPS)


def _namespace_depth(directory: str) -> int:
    """How many pid namespaces a process is in, as seen from here."""
    return len(_namespace_pids(directory)) or 1


def _namespace_pids(directory: str) -> list[int]:
    """The pids of a process from our pid namespace down to its own: the numbers after NSpid in its status."""
    for line in (_read(f"{directory}/status") or "").splitlines():
        if line.startswith("NSpid:"):
            return [int(word) for word in line.split()[1:] if word.isdecimal()]
    return []


def _namespace(directory: str) -> int | None:
    link = _link(f"{directory}/ns/net") or ""
    digits = link.partition("[")[2].rstrip("]")
    return int(digits) if digits.isdecimal() else None


def _link(path: str) -> str | None:
    with suppress(OSError):
        return os.readlink(path)
    return None


def _read(path: str) -> str | None:
    """A small file of /proc; None where it may not be read or is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return b"".join(_chunks(descriptor)).decode("utf-8", "replace")
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _chunks(descriptor: int) -> Iterator[bytes]:
    while chunk := os.read(descriptor, _READ_BYTES):
        yield chunk
        if len(chunk) < 4096:
            return


def _boot_time(proc: str) -> float | None:
    for line in (_read(f"{proc}/stat") or "").splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return None


def _stamp_and_owner(directory: str) -> tuple[Stamp | None, str | None]:
    try:
        status = os.stat(directory)
    except OSError:
        return None, None
    return (status.st_ino, status.st_ctime_ns), _user_name(status.st_uid)


@lru_cache(maxsize=256)
def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _home(user: str | None) -> str | None:
    with suppress(KeyError):
        return pwd.getpwnam(user or "").pw_dir
    return None
