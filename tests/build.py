"""Builds small Snapshots for tests: a healthy prefork host on one server, and single changes to it.

``host()`` gives a snapshot in which every part is there; tests replace the part that they are about, so that each test
shows only what matters to it.
"""

from __future__ import annotations

from msgspec import structs

from slotwise.findings import Finding, Verdict
from slotwise.fixes.rehearse import rehearse
from slotwise.rules.engine import Rule, catalogue, judge
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import IgnoredKey, Odoo, OdooInstance, OdooOption, OptionValue
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers, Pool, PoolDatabase
from slotwise.snapshot.postgres import (
    CLIENT_BACKEND,
    Activity,
    Backend,
    Database,
    Databases,
    Locks,
    Override,
    Overrides,
    Role,
    Roles,
    Server,
    Setting,
    Settings,
)
from slotwise.snapshot.processes import (
    Host,
    Memory,
    Postmaster,
    Process,
    Processes,
    ProcessMemory,
    ProcessRole,
    ServerProcesses,
    Sockets,
    TcpSocket,
)
from slotwise.snapshot.refusals import Refusals

NOW = 1_800_000_000.0
MASTER, GEVENT, FIRST_HTTP, FIRST_CRON = 100, 190, 110, 150
SERVER_PORT = 5432
GIB = 1024**3

DEFAULTS: dict[str, OptionValue] = {
    "workers": 4,
    "max_cron_threads": 2,
    "db_maxconn": 16,
    "db_maxconn_gevent": 32,
    "db_host": "127.0.0.1",
    "db_port": 5432,
    "db_user": "odoo",
    "db_name": "prod",
    "db_template": "template0",
    "http_enable": True,
    "http_port": 8069,
    "gevent_port": 8072,
    "proxy_mode": True,
    "limit_time_real": 120,
    "limit_time_real_cron": -1,
    "limit_memory_soft": 2048 * 1024**2,
    "limit_memory_hard": 2560 * 1024**2,
    "dbfilter": "",
    "list_db": True,
    "log_db": False,
    "db_replica_host": False,
}

SETTINGS: dict[str, tuple[str, str | None]] = {
    "max_connections": ("100", None),
    "superuser_reserved_connections": ("3", None),
    "shared_buffers": ("16384", "8kB"),
    "work_mem": ("4096", "kB"),
    "hash_mem_multiplier": ("2", None),
    "maintenance_work_mem": ("65536", "kB"),
    "autovacuum_max_workers": ("3", None),
    "max_worker_processes": ("8", None),
    "max_wal_senders": ("10", None),
    "max_locks_per_transaction": ("64", None),
    "huge_pages": ("try", None),
    "statement_timeout": ("0", "ms"),
    "lock_timeout": ("0", "ms"),
    "idle_in_transaction_session_timeout": ("900000", "ms"),
    "idle_session_timeout": ("0", "ms"),
    "tcp_keepalives_idle": ("60", "s"),
    "tcp_keepalives_interval": ("10", "s"),
    "tcp_keepalives_count": ("6", None),
    "client_connection_check_interval": ("10000", "ms"),
    "update_process_title": ("on", None),
}


def options(**changes: OptionValue) -> tuple[OdooOption, ...]:
    return tuple(OdooOption(k, v, "/etc/odoo/odoo.conf") for k, v in {**DEFAULTS, **changes}.items())


def instance(version: str | None = "18.0", processes: tuple[int, ...] = (), **changes: OptionValue) -> OdooInstance:
    return OdooInstance("odoo", version, "odoo/release.py", "/etc/odoo/odoo.conf", options(**changes), (), processes)


def ignored(name: str, value: str, meaning: str) -> IgnoredKey:
    return IgnoredKey(name, value, "/etc/odoo/odoo.conf:7", meaning)


def settings(**changes: str) -> Settings:
    """Settings of a sound server; underscores name the parameter, a value replaces it, the unit stays."""
    values = {**SETTINGS, **{k: (v, SETTINGS.get(k, ("", None))[1]) for k, v in changes.items()}}
    return Settings(tuple(Setting(k, v, unit, "configuration file") for k, (v, unit) in values.items()))


def backend(
    pid: int,
    database: str = "prod",
    state: str = "idle",
    *,
    user: str = "odoo",
    application_name: str | None = "odoo-100",
    port: int | None = None,
    addr: str | None = "127.0.0.1",
    idle_for: float = 30.0,
    xact_for: float | None = None,
    query: str = "COMMIT",
    age: float = 300.0,
    wait: tuple[str, str] | None = None,
) -> Backend:
    """One client session; durations are seconds before NOW."""
    in_transaction = state != "idle"
    return Backend(
        pid=pid,
        backend_type=CLIENT_BACKEND,
        database=database,
        user=user,
        application_name=application_name,
        client_addr=addr,
        client_port=port if port is not None else 30000 + pid,
        backend_start=NOW - age,
        xact_start=NOW - (xact_for if xact_for is not None else idle_for) if in_transaction else None,
        query_start=NOW - idle_for,
        state_change=NOW - idle_for,
        state=state,
        query=query,
        wait_event_type=wait[0] if wait else "Client",
        wait_event=wait[1] if wait else "ClientRead",
    )


def process(
    pid: int, role: ProcessRole, inodes: tuple[int, ...] = (), ppid: int = MASTER, name: str = "odoo-bin"
) -> Process:
    parent = 1 if role in ("master", "threaded", "pgbouncer", "unknown") else ppid
    of = None if role in ("pgbouncer", "unknown") else "odoo"
    return Process(pid, parent, role, ("odoo-bin", "-c", "/etc/odoo/odoo.conf"), name, "odoo", NOW - 3600, of, inodes)


def topology(workers: int = 4, cron: int = 2) -> dict[int, ProcessRole]:
    roles: dict[int, ProcessRole] = {MASTER: "master", GEVENT: "gevent"}
    roles |= {FIRST_HTTP + i: "http_worker" for i in range(workers)}
    roles |= {FIRST_CRON + i: "cron_worker" for i in range(cron)}
    return roles


def listeners(cron: int = 2, websocket: bool = True) -> list[tuple[int, Backend]]:
    """The sessions that LISTEN on `postgres`: one per cron worker and one of the gevent process."""
    held = [
        (FIRST_CRON + i, backend(9000 + i, "postgres", application_name=f"odoo-{FIRST_CRON + i}")) for i in range(cron)
    ]
    if websocket:
        held.append((GEVENT, backend(9100, "postgres", application_name=f"odoo-{GEVENT}")))
    return held


def host(
    held: list[tuple[int | None, Backend]] | None = None,
    *,
    roles: dict[int, ProcessRole] | None = None,
    version: str | None = "18.0",
    options: dict[str, OptionValue] | None = None,
    settings_: dict[str, str] | None = None,
) -> Snapshot:
    """A host whose sessions are ``held``: (owner's pid, backend). Owner None makes an orphan: the client's end is gone.

    Without ``held``: two sessions per HTTP worker on `prod`, and the listeners.
    """
    roles = topology() if roles is None else roles
    if held is None:
        http = [pid for pid, role in roles.items() if role == "http_worker"]
        held = [*listeners(), *((pid, backend(1000 + 2 * pid + n)) for pid in http for n in (0, 1))]
    inodes: dict[int, list[int]] = {}
    sockets: list[TcpSocket] = []
    for owner, row in held:
        if row.client_addr is None or row.client_port is None or not row.client_addr.startswith("127."):
            continue
        sockets.append(
            TcpSocket("127.0.0.1", SERVER_PORT, row.client_addr, row.client_port, "ESTABLISHED", 70000 + row.pid)
        )
        if owner is not None:
            sockets.append(
                TcpSocket(row.client_addr, row.client_port, "127.0.0.1", SERVER_PORT, "ESTABLISHED", 80000 + row.pid)
            )
            inodes.setdefault(owner, []).append(80000 + row.pid)
    odoo_pids = tuple(pid for pid, role in roles.items() if role not in ("pgbouncer", "unknown"))
    return Snapshot(
        taken_at=NOW,
        host="erp1",
        slotwise_version="test",
        server=Server(
            150000, "127.0.0.1:5432", "postgres", True, False, "/var/lib/postgresql/15/main", NOW - 86400, True
        ),
        activity=Activity(tuple(row for _, row in held), None),
        settings=settings(**(settings_ or {})),
        roles=Roles((Role("postgres", True, -1, True), Role("odoo", False, -1, True))),
        databases=Databases(
            (Database("postgres", -1, True, False, "postgres"), Database("prod", -1, True, False, "odoo"))
        ),
        overrides=Overrides(()),
        locks=Locks(()),
        processes=Processes(
            tuple(
                process(pid, role, tuple(inodes.get(pid, ())), name="pgbouncer" if role == "pgbouncer" else "odoo-bin")
                for pid, role in roles.items()
            ),
            "erp1",
            True,
        ),
        server_processes=ServerProcesses((Postmaster(50, SERVER_PORT, "/var/lib/postgresql/15/main", (), (), 0),), 50),
        sockets=Sockets(tuple(sockets), (), True, ("127.0.0.1",)),
        memory=Memory(tuple(ProcessMemory(row.pid, 3_000_000, 5_000_000) for _, row in held[:20])),
        machine=Host("erp1", 16 * GIB, 8 * GIB, None, 8.0),
        odoo=Odoo((instance(version, odoo_pids, **(options or {})),)),
        pgbouncers=PgBouncers(()),
        refusals=Refusals((), ("connection attempt",)),
    )


def override(role: str | None, database: str | None, name: str, value: str) -> Overrides:
    return Overrides((Override(role, database, name, value),))


def pgbouncer(
    *, pool_mode: str = "transaction", postgres_mode: str | None = "session", config: dict[str, str] | None = None
) -> PgBouncer:
    """A PgBouncer in front of the server: a wildcard, and `postgres` in its own mode (None: no entry of its own)."""
    base = {
        "pool_mode": pool_mode,
        "default_pool_size": "20",
        "reserve_pool_size": "0",
        "max_client_conn": "1000",
        "max_db_connections": "30",
        "max_user_connections": "50",
        "query_wait_timeout": "30",
        "server_idle_timeout": "600",
        "client_idle_timeout": "0",
        "idle_transaction_timeout": "0",
        "listen_port": "6432",
    }
    databases = [PoolDatabase("prod", "127.0.0.1", 5432, "prod", None, 20, 0, None, 0, 5)]
    pools = [Pool("prod", "odoo", pool_mode, 8, 0, 1, 4, 0, 0, 0, 0.0)]
    if postgres_mode is not None:
        databases.append(PoolDatabase("postgres", "127.0.0.1", 5432, "postgres", None, 12, 0, postgres_mode, 0, 3))
        pools.append(Pool("postgres", "odoo", postgres_mode, 3, 0, 3, 0, 0, 0, 0, 0.0))
    return PgBouncer(
        address="127.0.0.1:6432",
        version="1.18.0",
        config={**base, **(config or {})},
        databases=tuple(databases),
        pools=tuple(pools),
        clients=(),
        servers=(),
        lists={"used_clients": 11, "used_servers": 8},
        pid=60,
        wildcard=True,
        wildcard_pool_mode=None,
    )


def behind(snapshot: Snapshot, *pgbouncers: PgBouncer) -> Snapshot:
    return structs.replace(snapshot, pgbouncers=PgBouncers(pgbouncers))


def rule_called(slug: str) -> Rule:
    return next(r for r in catalogue() if r.slug == slug)


def verdict(snapshot: Snapshot, slug: str) -> Verdict:
    return judge(snapshot, (rule_called(slug),))[0]


def findings(snapshot: Snapshot, slug: str) -> tuple[Finding, ...]:
    """The findings of one rule. Fails when the rule could not judge: silence must mean healthy."""
    said = verdict(snapshot, slug)
    assert said.state != "unknown", f"{slug} is unknown: {said.missing}"
    return said.findings


def mended(snapshot: Snapshot, slug: str) -> Snapshot:
    """The snapshot after the fixes that the rule itself proposes, until it says nothing new (at most 200 rounds)."""
    for _ in range(200):
        changes = tuple(c for f in verdict(snapshot, slug).findings if f.fix for c in f.fix.changes)
        after = rehearse(snapshot, changes)
        if after == snapshot:
            break
        snapshot = after
    return snapshot
