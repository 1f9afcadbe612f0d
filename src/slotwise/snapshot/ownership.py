"""Joins every backend to the client process that holds it: the whole TCP 4-tuple, or the peer inode of a Unix-domain
socket.

Never by application_name alone: with a preloaded database every HTTP worker's connections carry the master's pid
(odoo/sql_db.py and odoo/modules/registry.py, 17.0 to 19.0: the name is fixed when the Registry is made, before the
fork). Never by local port alone: one port is in use towards several peers at once, or lingers in TIME_WAIT with inode
0.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, structs

from slotwise.snapshot.evidence import Part
from slotwise.snapshot.pgbouncer import PgBouncer, PoolClient
from slotwise.snapshot.postgres import CLIENT_BACKEND, Backend
from slotwise.snapshot.processes import Process, Processes, ProcessRole, Sockets, TcpSocket

Certainty = Literal["known", "orphan", "foreign", "unknown"]


class Owner(Struct, frozen=True):
    """Who holds a session. ``certainty``: *known* (pid is right), *orphan* (the client's socket is gone from this
    host),
    *foreign* (the client is on another host), *unknown* (it could not be seen; ``how`` says why).

    ``role`` is the part the process plays in Odoo; a program that is no Odoo process (a pooler too) is ``unknown``
    and has its ``name``. ``behind`` is the process at the far side of a pooler, where the pooler showed it.
    """

    certainty: Certainty
    pid: int | None
    role: ProcessRole
    name: str | None
    instance: str | None
    how: str
    behind: int | None = None


class Held(Struct, frozen=True):
    """One client session with its owner."""

    backend: Backend
    owner: Owner


class Sessions(Part, frozen=True):
    """Every client session of the server, slotwise's own left out, each with its owner.

    ``unclassified`` counts rows that may be client sessions or background workers (masked rows whose process title is
    not visible either): a count of slots is exact only when it is 0. ``own`` counts slotwise's own sessions.
    """

    held: tuple[Held, ...]
    unclassified: int
    own: int
    source: str

    @property
    def exact(self) -> bool:
        """Whether every slot is accounted for."""
        return self.unclassified == 0


def client_backends(
    activity: tuple[Backend, ...] | None, titles: tuple[Backend, ...] | None, titles_current: bool | None
) -> tuple[tuple[Backend, ...], int]:
    """The client sessions, and how many rows could not be classified.

    A masked row takes what its process title shows. A session that pg_stat_activity does not show yet (before
    PostgreSQL 18 it hides those that are still authenticating, although they hold a slot) is added from the titles.
    """
    by_pid = {t.pid: t for t in titles or ()}
    if activity is None:
        clients = tuple(t for t in by_pid.values() if t.backend_type == CLIENT_BACKEND)
        return clients, 0
    found: list[Backend] = []
    unclassified = 0
    for row in activity:
        title = by_pid.get(row.pid)
        if row.backend_type == CLIENT_BACKEND:
            found.append(row)
        elif row.backend_type is None and title is not None:
            if title.backend_type == CLIENT_BACKEND:
                found.append(_unmask(row, title, titles_current))
        elif row.backend_type is None and row.database is not None:
            unclassified += 1
    seen = {row.pid for row in activity}
    starting = [
        t for t in by_pid.values() if t.pid not in seen and t.backend_type == CLIENT_BACKEND and t.state in STARTING
    ]
    return (*found, *starting), unclassified


STARTING = frozenset({"authentication", "initializing", "startup"})
"""Process-title states of a session that holds a slot but has not logged in (backend_startup.c, postmaster.c, 12 to
18)."""


def _unmask(row: Backend, title: Backend, titles_current: bool | None) -> Backend:
    state = title.state if titles_current else None
    return structs.replace(
        row, backend_type=CLIENT_BACKEND, client_addr=title.client_addr, client_port=title.client_port, state=state
    )


class Join:
    """Finds owners. Built once per snapshot; each look-up is a dictionary access."""

    def __init__(
        self,
        processes: Processes | None,
        sockets: Sockets | None,
        pgbouncers: tuple[PgBouncer, ...] = (),
        server_port: int | None = None,
        server_pid: int | None = None,
    ) -> None:
        """``processes`` holds backends too, with their inodes; ``server_port`` is the server's TCP port, ``server_pid``
        its postmaster, where known.

        Without the postmaster no process is taken for a backend: the pids of a server on another host mean other
        processes here. In a container a backend has the pid that it has inside.
        """
        self._processes = processes
        self._sockets = sockets
        self._server_port = server_port
        self._inodes = {
            p.pid if p.pid_inside is None else p.pid_inside: p.inodes
            for p in (processes.processes if processes else ())
            if p.ppid == server_pid
        }
        self._by_inode = _holders(processes)
        self._ends: dict[tuple[str, int], list[TcpSocket]] = {}
        self._by_socket_inode: dict[int, TcpSocket] = {}
        for socket in sockets.tcp if sockets else ():
            self._ends.setdefault((socket.local_addr, socket.local_port), []).append(socket)
            self._by_socket_inode[socket.inode] = socket
        self._peers = {s.inode: s.peer_inode for s in sockets.unix} if sockets else {}
        self._behind = self._clients_behind(pgbouncers)

    def owner(self, backend: Backend) -> Owner:
        """Who holds ``backend``."""
        if self._sockets is None or self._processes is None:
            return _unseen("no sockets of this host were read")
        if backend.client_port is None:
            return _unseen("the client's address is not visible to this role")
        if backend.client_port < 0:
            return self._by_unix_peer(backend)
        if backend.client_addr is None:
            return _unseen("the client's address is not visible to this role")
        if not self._is_local(backend.client_addr):
            return Owner("foreign", None, "unknown", None, None, f"the client is {backend.client_addr}")
        return self._by_tuple(backend, backend.client_addr, backend.client_port)

    def _is_local(self, addr: str) -> bool:
        assert self._sockets is not None
        return addr.startswith("127.") or addr == "::1" or addr in self._sockets.local_addresses

    def _by_tuple(self, backend: Backend, addr: str, port: int) -> Owner:
        server_end = self._server_end(backend, addr, port)
        far = (server_end.local_addr, server_end.local_port) if server_end else (None, self._server_port)
        ends = [
            s
            for s in self._ends.get((addr, port), ())
            if far[0] in (None, s.remote_addr) and far[1] in (None, s.remote_port) and s.state != "LISTEN"
        ]
        live = [s for s in ends if s.inode]
        if len(live) == 1:
            return self._holder(live[0].inode, "TCP 4-tuple", backend.pid)
        if live:
            return _unseen("several sockets of this host have the client's address and port")
        if server_end is None:
            return _unseen("neither end of the connection is visible on this host")
        return _gone("the client closed its socket" if ends else "no socket of this host has the client's end")

    def _server_end(self, backend: Backend, addr: str, port: int) -> TcpSocket | None:
        """The server's own end of the connection: proof that the server runs in this network namespace."""
        for inode in self._inodes.get(backend.pid, ()):
            socket = self._by_socket_inode.get(inode)
            if socket and (socket.remote_addr, socket.remote_port) == (addr, port):
                return socket
        if self._server_port is None or self._sockets is None:
            return None
        mine = [s for s in self._server_ends(self._server_port).get((addr, port), ()) if s.state != "LISTEN"]
        return mine[0] if len(mine) == 1 else None

    def _server_ends(self, server_port: int) -> dict[tuple[str, int], list[TcpSocket]]:
        if not hasattr(self, "_far_ends"):
            self._far_ends: dict[tuple[str, int], list[TcpSocket]] = {}
            for sockets in self._ends.values():
                for socket in sockets:
                    if socket.local_port == server_port:
                        self._far_ends.setdefault((socket.remote_addr, socket.remote_port), []).append(socket)
        return self._far_ends

    def _by_unix_peer(self, backend: Backend) -> Owner:
        assert self._sockets is not None
        if not self._sockets.unix_peers:
            return _unseen("the kernel did not show peers of Unix-domain sockets (sock_diag)")
        inodes = self._inodes.get(backend.pid)
        if not inodes:
            return _unseen("the backend's own sockets are not visible to this user")
        for inode in inodes:
            if inode in self._peers:
                peer = self._peers[inode]
                return self._holder(peer, "Unix-domain socket peer", backend.pid) if peer else _gone("its peer is gone")
        return _unseen("the backend's socket is not in the kernel's list")

    def _holder(self, inode: int, how: str, backend_pid: int) -> Owner:
        process = self._by_inode.get(inode)
        if process is None:
            return _unseen("no process that is visible to this user holds the client's socket")
        role: ProcessRole = "unknown" if process.role in ("pgbouncer", "postgres") else process.role
        behind = self._behind.get(backend_pid)
        return Owner("known", process.pid, role, process.name, process.instance, how, behind)

    def _clients_behind(self, pgbouncers: tuple[PgBouncer, ...]) -> dict[int, int]:
        """Backend pid -> pid of the process whose client connection PgBouncer has linked to it at this moment."""
        behind: dict[int, int] = {}
        for pgbouncer in pgbouncers:
            clients = {c.ptr: c for c in pgbouncer.clients}
            for server in pgbouncer.servers:
                client = clients.get(server.link) if server.link else None
                if client is None or server.remote_pid is None:
                    continue
                process = self.client_process(client)
                if process is not None:
                    behind[server.remote_pid] = process.pid
        return behind

    def client_process(self, client: PoolClient) -> Process | None:
        """The process at the far end of a PgBouncer client connection, or None where this host does not show it."""
        if client.addr is None or client.port is None:
            return None
        ends = [
            s for s in self._ends.get((client.addr, client.port), ()) if s.remote_port == client.local_port and s.inode
        ]
        return self._by_inode.get(ends[0].inode) if len(ends) == 1 else None


def _holders(processes: Processes | None) -> dict[int, Process]:
    """Socket inode -> process. After a fork parent and child share a socket: the child is the one that uses it."""
    holders: dict[int, Process] = {}
    for process in processes.processes if processes else ():
        for inode in process.inodes:
            held = holders.get(inode)
            if held is None or held.ppid != process.pid:
                holders[inode] = process
    return holders


def _unseen(why: str) -> Owner:
    return Owner("unknown", None, "unknown", None, None, why)


def _gone(why: str) -> Owner:
    return Owner("orphan", None, "unknown", None, None, why)
