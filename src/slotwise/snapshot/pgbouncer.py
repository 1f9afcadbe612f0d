"""What a PgBouncer's admin console showed. Rows are read by column name; a column that this version lacks is None."""

from __future__ import annotations

from msgspec import Struct

from slotwise.snapshot.evidence import Part


class Pool(Struct, frozen=True):
    """One row of SHOW POOLS. ``maxwait_seconds`` joins maxwait and maxwait_us."""

    database: str
    user: str
    pool_mode: str | None
    cl_active: int
    cl_waiting: int
    sv_active: int
    sv_idle: int
    sv_used: int
    sv_tested: int
    sv_login: int
    maxwait_seconds: float


class PoolClient(Struct, frozen=True):
    """One row of SHOW CLIENTS. ``link`` is the ptr of the server connection it holds now, empty when it holds none."""

    database: str
    user: str
    state: str
    addr: str | None
    port: int | None
    local_addr: str | None
    local_port: int | None
    ptr: str
    link: str
    application_name: str | None = None


class PoolServer(Struct, frozen=True):
    """One row of SHOW SERVERS. ``remote_pid`` is the PostgreSQL backend's pid."""

    database: str
    user: str
    state: str
    remote_pid: int | None
    ptr: str
    link: str
    addr: str | None = None
    port: int | None = None
    local_port: int | None = None
    application_name: str | None = None


class PoolDatabase(Struct, frozen=True):
    """One row of SHOW DATABASES. ``pool_mode`` None means the server-wide one; ``max_connections`` 0 means no cap."""

    name: str
    host: str | None
    port: int | None
    database: str | None
    force_user: str | None
    pool_size: int | None
    reserve_pool_size: int | None
    pool_mode: str | None
    max_connections: int | None
    current_connections: int | None


class PgBouncer(Struct, frozen=True):
    """One PgBouncer process. ``config`` is SHOW CONFIG; ``lists`` SHOW LISTS; ``wildcard`` whether a ``*`` entry
    exists (None: not readable)."""

    address: str
    version: str | None
    config: dict[str, str]
    databases: tuple[PoolDatabase, ...]
    pools: tuple[Pool, ...]
    clients: tuple[PoolClient, ...]
    servers: tuple[PoolServer, ...]
    lists: dict[str, int]
    pid: int | None = None
    wildcard: bool | None = None
    wildcard_pool_mode: str | None = None
    config_file: str | None = None
    total_xact_count: int | None = None
    total_xact_time_seconds: float | None = None
    total_wait_time_seconds: float | None = None
    process_limit_nofile: int | None = None

    def pool_mode_of(self, database: str) -> str | None:
        """The pool mode that a client of ``database`` gets: the entry's, else the wildcard's, else the server-wide
        one."""
        entry = next((d for d in self.databases if d.name == database), None)
        if entry is not None and entry.pool_mode:
            return entry.pool_mode
        if entry is None and self.wildcard_pool_mode:
            return self.wildcard_pool_mode
        return self.config.get("pool_mode")


class PgBouncers(Part, frozen=True):
    """Every PgBouncer whose console answered."""

    pgbouncers: tuple[PgBouncer, ...]
    source: str = "PgBouncer admin console"
