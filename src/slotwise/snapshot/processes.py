"""What the operating system showed: processes, sockets, memory. Pids and inodes are of the host that was looked at."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from slotwise.snapshot.evidence import Part

ProcessRole = Literal[
    "master",
    "http_worker",
    "cron_worker",
    "gevent",
    "threaded",
    "shell",
    "queue_job",
    "cli",
    "pgbouncer",
    "postgres",
    "unknown",
]
"""The part a process plays. ``cli`` is odoo-bin with a command that ends by itself (-u, --stop-after-init, populate
…)."""


class Process(Struct, frozen=True):
    """One process that matters here. ``arguments`` is redacted; ``started_at`` epoch seconds; ``instance`` an
    OdooInstance.id. ``pid_inside`` is its pid in its own pid namespace where that is another one: what PostgreSQL in a
    container calls its backend."""

    pid: int
    ppid: int
    role: ProcessRole
    arguments: tuple[str, ...]
    name: str
    user: str | None = None
    started_at: float | None = None
    instance: str | None = None
    inodes: tuple[int, ...] = ()
    container: bool = False
    evidence: str = ""
    pid_inside: int | None = None


class Processes(Part, frozen=True):
    """Every process that could be seen. ``complete`` is False when some processes' sockets could not be read (not
    root)."""

    processes: tuple[Process, ...]
    host: str
    complete: bool
    source: str = "/proc"

    def find(self, pid: int) -> Process | None:
        """The process with this pid, or None."""
        return next((p for p in self.processes if p.pid == pid), None)


class TcpSocket(Struct, frozen=True):
    """One end of a TCP connection on this host. Addresses are canonical text (IPv4-mapped IPv6 shown as IPv4)."""

    local_addr: str
    local_port: int
    remote_addr: str
    remote_port: int
    state: str
    inode: int


class UnixSocket(Struct, frozen=True):
    """One end of a Unix-domain socket with its peer's inode, as sock_diag shows it."""

    inode: int
    peer_inode: int
    path: str | None


class Sockets(Part, frozen=True):
    """The sockets of this host that lead to a database server or pooler. ``unix_peers`` is False where sock_diag did
    not answer."""

    tcp: tuple[TcpSocket, ...]
    unix: tuple[UnixSocket, ...]
    unix_peers: bool
    local_addresses: tuple[str, ...] = ()
    source: str = "/proc/net/tcp, sock_diag"


class Postmaster(Struct, frozen=True):
    """One PostgreSQL server process on this host. ``children`` are its sessions as their titles show them
    (Backend.seen_in)."""

    pid: int
    port: int | None
    data_directory: str | None
    socket_directories: tuple[str, ...]
    children: tuple[int, ...]
    unauthenticated: int
    """Children without a session yet: half-open connections that hold a slot or a child-table entry."""


class ServerProcesses(Part, frozen=True):
    """The PostgreSQL servers of this host. ``chosen`` is the pid of the one that Odoo uses, None where that is not
    known."""

    postmasters: tuple[Postmaster, ...]
    chosen: int | None
    source: str = "process titles in /proc"


class ProcessMemory(Struct, frozen=True):
    """Memory of one process from smaps_rollup, in bytes. ``private_bytes`` is what its end would free."""

    pid: int
    private_bytes: int
    pss_bytes: int


class Memory(Part, frozen=True):
    """Memory of a sample of backends and of all Odoo processes (smaps_rollup)."""

    processes: tuple[ProcessMemory, ...]
    source: str = "/proc/PID/smaps_rollup"


class Host(Part, frozen=True):
    """The machine. ``memory_limit_bytes`` is the tightest cgroup limit, None where there is none; ``cores`` what the
    kernel offers."""

    name: str
    memory_bytes: int
    memory_available_bytes: int | None
    memory_limit_bytes: int | None
    cores: float
    swap_bytes: int | None = None
    source: str = "/proc/meminfo"
