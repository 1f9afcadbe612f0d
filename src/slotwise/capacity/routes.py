"""How each Odoo instance reaches PostgreSQL: directly, or through a PgBouncer whose clients its connections then are.

The difference decides what is compared with what: behind a PgBouncer, Odoo's connections are PgBouncer's clients, and
only what PgBouncer itself opens takes PostgreSQL's slots.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from slotwise.snapshot.evidence import Part, Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.ownership import Held, Join, Sessions
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers
from slotwise.snapshot.postgres import Server
from slotwise.snapshot.processes import Process, Processes, ServerProcesses, Sockets
from slotwise.snapshot.session_kinds import NEVER_POOLED, has_odoo_name, is_queue_job_runner, is_raw
from slotwise.snapshot.sessions import joiner, sessions

RouteKind = Literal["direct", "pgbouncer", "unknown"]

POSTGRES_PORT = 5432
"""libpq's default port: what an unset ``db_port`` means
(https://www.postgresql.org/docs/current/libpq-connect.html)."""

POOLER_PORTS = frozenset({6432, 6543, 25061})
"""Usual ports of poolers (PgBouncer and Azure's built-in one, Supabase, DigitalOcean): never taken for PostgreSQL."""


class Route(Struct, frozen=True):
    """One instance's way. ``pgbouncer`` is the address of the console that showed it, None where none answered.

    ``why`` says what the answer rests on.
    """

    instance: str
    kind: RouteKind
    pgbouncer: str | None
    why: str


class Routes(Part, frozen=True):
    """The way of every instance."""

    routes: tuple[Route, ...]
    source: str = "db_host and db_port, sockets, PgBouncer clients"

    def of(self, instance: str) -> Route | None:
        """The route of one instance, or None."""
        return next((r for r in self.routes if r.instance == instance), None)

    def through(self, address: str) -> tuple[str, ...]:
        """The ids of the instances that go through the PgBouncer at ``address``."""
        return tuple(r.instance for r in self.routes if r.pgbouncer == address)


def routes(snapshot: Snapshot) -> Routes | Unavailable:
    """The way of every Odoo instance. Unavailable where no Odoo configuration was read."""
    if isinstance(snapshot.odoo, Unavailable):
        return snapshot.odoo
    assert isinstance(snapshot.odoo, Odoo)
    seen = sessions(snapshot)
    held = seen.held if isinstance(seen, Sessions) else ()
    consoles = snapshot.pgbouncers.pgbouncers if isinstance(snapshot.pgbouncers, PgBouncers) else ()
    join = joiner(snapshot)
    return Routes(tuple(_route(i, snapshot, held, consoles, join) for i in snapshot.odoo.instances))


def _route(
    instance: OdooInstance, snapshot: Snapshot, held: tuple[Held, ...], consoles: tuple[PgBouncer, ...], join: Join
) -> Route:
    """The best evidence first: connections that were seen, then processes, then addresses that were configured."""
    for console in consoles:
        if any(_is_of(join.client_process(c), instance) for c in console.clients):
            return Route(instance.id, "pgbouncer", console.address, "its processes are clients of this PgBouncer")
    own = [h for h in held if _holds(h, instance)]
    if own:
        return Route(instance.id, "direct", None, f"its processes hold {len(own)} sessions of the server themselves")
    for console in consoles:
        if _listens_at(console, instance):
            return Route(instance.id, "pgbouncer", console.address, "db_host and db_port are this PgBouncer's")
    if _reaches_pgbouncer(instance, snapshot):
        return Route(instance.id, "pgbouncer", None, "its sockets lead to a PgBouncer process")
    user = instance.value("db_user")
    if user and any(h.backend.user == user and h.owner.name == "pgbouncer" for h in held):
        return Route(instance.id, "pgbouncer", None, f"a PgBouncer process holds the sessions of {user}")
    if (
        _named_by_odoo([h for h in held if user and h.backend.user == user])
        and configured_port(instance) not in POOLER_PORTS
    ):
        return Route(
            instance.id, "direct", None, f"the sessions of {user} carry Odoo's own names, which a pooler loses"
        )
    return _as_configured(instance, snapshot)


def _named_by_odoo(held: list[Held]) -> bool:
    """Whether sessions whose owner cannot be seen (another host, a container) come from Odoo without a pooler.

    Behind a PgBouncer application_name is empty once a connection was borrowed again: Odoo sends DISCARD ALL. Sessions
    on `postgres` are borrowed once, so they tell nothing.
    """
    telling = [h.backend for h in held if h.backend.database not in NEVER_POOLED]
    unseen = all(h.owner.certainty in ("unknown", "foreign") for h in held)
    return unseen and bool(telling) and all(has_odoo_name(backend) for backend in telling)


def _is_of(process: Process | None, instance: OdooInstance) -> bool:
    return process is not None and process.instance == instance.id and process.role != "queue_job"


def _holds(held: Held, instance: OdooInstance) -> bool:
    """Whether the session is one of the instance's odoo_pools: raw ones and queue_job's runner may take another way."""
    return held.owner.instance == instance.id and not is_raw(held) and not is_queue_job_runner(held)


def configured_port(instance: OdooInstance) -> int:
    """``db_port``, or libpq's default where it is unset."""
    port = instance.value("db_port")
    text = str(port) if port not in (None, False, "") else ""
    return int(text) if text.isdigit() else POSTGRES_PORT


def configured_host(instance: OdooInstance) -> str:
    """``db_host``; empty where it is unset, which is the local Unix-domain socket."""
    host = instance.value("db_host")
    return host if isinstance(host, str) else ""


def is_local(host: str) -> bool:
    """Whether a host name means this machine by itself: unset, a socket directory, or the loopback."""
    return host in ("", "localhost", "::1") or host.startswith(("/", "@", "127."))


def _listens_at(console: PgBouncer, instance: OdooInstance) -> bool:
    port = console.config.get("listen_port", "")
    if not port.isdigit() or int(port) != configured_port(instance):
        return False
    host, at = configured_host(instance), console.address.rpartition(":")[0].strip("[]")
    listens = [a.strip() for a in console.config.get("listen_addr", "").split(",")]
    return (is_local(host) and is_local(at)) or host == at or host in listens


def _reaches_pgbouncer(instance: OdooInstance, snapshot: Snapshot) -> bool:
    """Whether a socket of the instance's processes ends at a process that is a PgBouncer."""
    if not isinstance(snapshot.processes, Processes) or not isinstance(snapshot.sockets, Sockets):
        return False
    holders = {inode: p for p in snapshot.processes.processes for inode in p.inodes}
    ends = {(s.local_addr, s.local_port, s.remote_addr, s.remote_port): s for s in snapshot.sockets.tcp}
    for socket in snapshot.sockets.tcp:
        if not _is_of(holders.get(socket.inode), instance):
            continue
        far = ends.get((socket.remote_addr, socket.remote_port, socket.local_addr, socket.local_port))
        process = holders.get(far.inode) if far is not None else None
        if process is not None and process.role == "pgbouncer":
            return True
    return False


def _as_configured(instance: OdooInstance, snapshot: Snapshot) -> Route:
    host, port = configured_host(instance), configured_port(instance)
    where = f"{host or 'the local socket'}, port {port}"
    if instance.option("db_host") is None and instance.option("db_port") is None:
        return Route(instance.id, "unknown", None, "neither db_host nor db_port was read")
    if is_local(host):
        servers = snapshot.server_processes
        ports = {p.port for p in servers.postmasters} if isinstance(servers, ServerProcesses) else set()
        if port in ports:
            return Route(instance.id, "direct", None, f"{where} is a PostgreSQL server of this machine")
    if port not in POOLER_PORTS and isinstance(snapshot.server, Server) and _same(snapshot.server.address, host, port):
        return Route(instance.id, "direct", None, f"{where} is the server that was looked at")
    if port in POOLER_PORTS:
        return Route(
            instance.id, "unknown", None, f"{where} is no server that was seen; {port} is a pooler's usual port"
        )
    return Route(instance.id, "unknown", None, f"{where} is no server that was seen")


def _same(address: str, host: str, port: int) -> bool:
    """Whether ``address`` (``host:port`` or a socket path) is where ``host`` and ``port`` lead."""
    if address.startswith("/"):
        return is_local(host) and (address.endswith(f".{port}") or ".s.PGSQL" not in address)
    at, _, at_port = address.rpartition(":")
    if at_port != str(port):
        return False
    return at.strip("[]") == host or (is_local(at.strip("[]")) and is_local(host))
