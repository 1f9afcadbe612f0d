"""What is planned for: Odoo hosts and PostgreSQL servers as plain values, whether observed or merely meant.

Nothing here knows where the values came from: a live host, a recording, flags or a fleet file all end as these nouns.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from slotwise.capacity.pgbouncer_pools import PgBouncerPools

ODOO_VERSIONS = (17, 18, 19)
"""Odoo major versions whose connection behaviour is modelled."""

DEFAULT_DB_MAXCONN = 64
"""odoo/tools/config.py 17.0, 18.0, 19.0: ``db_maxconn`` defaults to 64."""


class Traffic(str, Enum):
    """What the requests are, as far as it decides how many cursors a worker opens at once.

    ``BUSINESS``: people in browsers who log in, change records and settings, and send mail (the default).
    ``RPC``: stateless ``/xmlrpc`` and ``/jsonrpc`` calls that name their database themselves.
    """

    BUSINESS = "business"
    RPC = "rpc"


class HeldByProcess(msgspec.Struct, frozen=True, kw_only=True):
    """Connections that one process was seen to hold, for calibration. None: not measured, so the model's own figure."""

    http_per_database: float | None = None
    cron_per_process: float | None = None
    gevent_per_process: float | None = None
    source: str = "measured"


class OdooHost(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """One Odoo server process tree, or ``count`` equal ones, and the PostgreSQL server that it connects to.

    ``databases`` is the names it serves, or how many when the names do not matter. ``preloaded`` is what ``db_name``
    (``-d``) lists. ``databases_per_worker`` is how many databases one worker serves within ten minutes; None means all.
    ``request_has_database`` says whether a request knows its database before anyone has logged in; None means that it
    follows from the other values (slotwise.capacity.http_worker). ``websockets`` is how many browsers are connected at
    once; None means unknown, and then the planner assumes that the gevent process can be filled.
    ``replica_server`` is None without a replica; equal to ``server`` it stands for Odoo 18's empty ``db_replica_host``,
    which opens the second odoo_pool against the same server.
    """

    odoo_version: int
    name: str = "odoo"
    count: int = 1
    workers: int = 0
    max_cron_threads: int = 2
    db_maxconn: int = DEFAULT_DB_MAXCONN
    db_maxconn_gevent: int | None = None
    http_enable: bool = True
    databases: tuple[str, ...] | int = 1
    preloaded: tuple[str, ...] | int = ()
    databases_per_worker: int | None = None
    request_has_database: bool | None = None
    traffic: Traffic = Traffic.BUSINESS
    websockets: int | None = None
    concurrent_requests: int | None = None
    max_http_threads: int | None = None
    queue_job_databases: int = 0
    shells: int = 0
    raw_connections: int = 0
    server: str = "primary"
    replica_server: str | None = None
    measured: HeldByProcess | None = None
    cores: int | None = None

    @property
    def odoo_pool_size(self) -> int:
        """Connections one process may hold: ``max(1, db_maxconn)`` (odoo/sql_db.py 17.0:617, 18.0:652, 19.0:610)."""
        return max(1, self.db_maxconn)

    @property
    def gevent_pool_size(self) -> int:
        """For the gevent process: ``db_maxconn_gevent or db_maxconn`` (17.0:795-801, 18.0:842-849, 19.0:807-819)."""
        return max(1, self.db_maxconn_gevent or self.db_maxconn)

    @property
    def preloaded_count(self) -> int:
        """How many databases ``db_name`` lists."""
        return self.preloaded if isinstance(self.preloaded, int) else len(self.preloaded)

    @property
    def database_count(self) -> int:
        """How many databases the host serves. ``db_name`` widens it: every database listed there is polled by cron."""
        named = self.databases if isinstance(self.databases, int) else len(self.databases)
        return max(named, self.preloaded_count)

    @property
    def databases_seen(self) -> int:
        """How many databases one HTTP worker serves within ten minutes, the life of an idle pooled connection."""
        seen = self.database_count if self.databases_per_worker is None else self.databases_per_worker
        return max(0, min(seen, self.database_count))

    @property
    def websockets_used(self) -> bool:
        """Whether a browser keeps a websocket open; unknown counts as yes, since the web client opens one by itself."""
        return self.http_enable and self.database_count > 0 and self.websockets != 0


def nameless(host: OdooHost) -> OdooHost:
    """One such host with its databases as a number: figures do not depend on names, and many hosts differ only by
    them."""
    count, preloaded = host.database_count, host.preloaded_count
    return msgspec.structs.replace(host, name="", count=1, databases=count, preloaded=preloaded)


def grouped(hosts: tuple[OdooHost, ...]) -> tuple[OdooHost, ...]:
    """Hosts that differ by name only as one with their number, so that a fleet of a thousand is planned as quickly."""
    together: dict[OdooHost, list[OdooHost]] = {}
    for host in hosts:
        together.setdefault(msgspec.structs.replace(host, name="", count=1), []).append(host)
    found = []
    for same in together.values():
        first, more = same[0], len(same) - 1
        name = f"{first.name} and {more} more" if more else first.name
        found.append(msgspec.structs.replace(first, name=name, count=sum(host.count for host in same)))
    return tuple(found)


class PostgresServer(msgspec.Struct, frozen=True, kw_only=True):
    """A PostgreSQL server as far as it bounds connections. None is *unknown*, and never read as zero or as unlimited.

    ``other`` is the demand that is not Odoo's: monitoring, backup, BI, a DBA's psql. ``superuser_sessions`` are open
    sessions of superusers, which sit in ordinary slots. ``max_connections_next`` and its companions are what the next
    start would use, None when nothing else is pending. ``shared_with_odoo``: Odoo's processes run on the same machine.
    ``pgbouncer``: the pools of a PgBouncer that stands between this server and every Odoo host of the deployment.
    """

    name: str = "primary"
    major_version: int | None = None
    max_connections: int | None = None
    superuser_reserved_connections: int = 3
    reserved_connections: int = 0
    max_connections_next: int | None = None
    superuser_reserved_connections_next: int | None = None
    reserved_connections_next: int | None = None
    provider_reserved: int = 0
    role_is_superuser: bool = False
    role_may_use_reserved: bool = False
    role_connection_limit: int | None = None
    database_connection_limits: dict[str, int] = {}
    superuser_sessions: int = 0
    other: int = 0
    ram_bytes: int | None = None
    cores: int | None = None
    shared_buffers_bytes: int | None = None
    work_mem_bytes: int | None = None
    tables_touched: int | None = None
    huge_pages: bool = False
    managed: str | None = None
    managed_source: str | None = None
    shared_with_odoo: bool = False
    pgbouncer: PgBouncerPools | None = None


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Odoo hosts and the PostgreSQL servers that they share."""

    hosts: tuple[OdooHost, ...] = ()
    servers: tuple[PostgresServer, ...] = (PostgresServer(),)

    def server(self, name: str) -> PostgresServer:
        """The server called ``name``. Raises KeyError when no server has that name."""
        for server in self.servers:
            if server.name == name:
                return server
        raise KeyError(name)
