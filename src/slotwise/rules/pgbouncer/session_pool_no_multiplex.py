"""SW302 session-pool-no-multiplex."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.from_snapshot import InstallationDemand, PooledDemand
from slotwise.capacity.pools import entry_of, mode_of, pool_size
from slotwise.capacity.routes import Routes
from slotwise.findings import Change, Finding, Fix, Manual, SetPgBouncer, SetPoolDatabase, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite
from slotwise.rules.poolers import application_databases, each_pooler
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers
from slotwise.snapshot.session_kinds import MAINTENANCE_DATABASE


@rule("SW302", Severity.WARNING)
def session_pool_no_multiplex(
    routes: Routes, pgbouncers: PgBouncers | None, demand: InstallationDemand | None
) -> Iterator[Finding]:
    """Application databases are pooled by session: each of Odoo's idle connections keeps a server connection.

    **Why it matters.** Odoo's own odoo_pool keeps connections open for ten idle minutes and longer. In session mode
    PgBouncer gives each of them a server connection until it closes, so nothing is shared: PostgreSQL holds as many
    sessions as without PgBouncer, and once `pool_size` is reached the next worker waits for `query_wait_timeout`
    although every server connection is idle.

    **Evidence.** The pool mode of the databases that Odoo has pools for, and their `pool_size` against the clients that
    Odoo keeps. Only mentioned where the pool holds every client that Odoo may ever open.

    **Fix.** `pool_mode = transaction` for the application databases and an entry `postgres` in session mode for LISTEN.

    **When to ignore it.** For an entry that backups, `odoo-bin -u` or queue_job's runner use: they need sessions.
    """

    def check(pgbouncer: PgBouncer) -> Iterator[Finding]:
        pooled = _pooled(demand, pgbouncer.address)
        names = set(application_databases(pgbouncer)) | set(pooled.likely.databases if pooled is not None else ())
        names -= {MAINTENANCE_DATABASE}
        session = sorted(n for n in names if mode_of(pgbouncer, n) == "session")
        if not session and (names or pgbouncer.pool_mode_of("") != "session"):
            return
        tightest = min((pool_size(pgbouncer, n) for n in session), default=pool_size(pgbouncer, ""))
        clients = pooled.clients if pooled is not None else None
        roomy = clients is not None and clients.ceiling <= tightest
        said = f"; Odoo keeps about {clients.typical} client connections, {clients.ceiling} at most" if clients else ""
        source = f"SHOW POOLS and SHOW DATABASES of {pgbouncer.address}"
        yield Finding(
            f"session mode for {', '.join(session) or 'every database'} at PgBouncer {pgbouncer.address}:"
            f" a pool of {tightest} server connections serves {tightest} of Odoo's connections and no more{said}",
            (
                cite("pool_mode", "session", source),
                cite("pool_size", tightest, source),
                cite("typical clients", clients.typical if clients is not None else None, "demand of Odoo's processes"),
            ),
            _to_transaction(pgbouncer, session),
            subject=f"PgBouncer {pgbouncer.address}",
            severity=Severity.INFO if roomy else None,
        )

    yield from each_pooler(routes, pgbouncers, check)


def _pooled(demand: InstallationDemand | None, address: str) -> PooledDemand | None:
    pooled = demand.pooled if demand is not None else ()
    return next((p for p in pooled if p.address == address), None)


def _to_transaction(pgbouncer: PgBouncer, session: list[str]) -> Fix:
    """`postgres` gets its own session entry first, then every level that says session says transaction."""
    changes: tuple[Change, ...] = ()
    home = entry_of(pgbouncer, MAINTENANCE_DATABASE)
    if home is None or not home.pool_mode:
        parameters = {"dbname": MAINTENANCE_DATABASE, "pool_mode": "session"}
        like = home or next(iter(pgbouncer.databases), None)
        if like is not None and like.host:
            parameters = {"host": like.host, "port": str(like.port or 5432), **parameters}
        changes += (SetPoolDatabase(pgbouncer.address, MAINTENANCE_DATABASE, parameters),)
    transaction = {"pool_mode": "transaction"}
    if pgbouncer.config.get("pool_mode") == "session":
        changes += (SetPgBouncer(pgbouncer.address, "pool_mode", "transaction"),)
    if pgbouncer.wildcard_pool_mode == "session":
        changes += (SetPoolDatabase(pgbouncer.address, "*", transaction),)
    for name in session:
        entry = entry_of(pgbouncer, name)
        if (entry is not None and entry.pool_mode == "session") or pgbouncer.wildcard_pool_mode == "session":
            changes += (SetPoolDatabase(pgbouncer.address, name, transaction),)
    levels = {pgbouncer.config.get("pool_mode"), pgbouncer.wildcard_pool_mode}
    levels |= {e.pool_mode for n in session if (e := entry_of(pgbouncer, n)) is not None}
    if "session" not in levels:
        changes += (Manual("the user's own entry in [users] says pool_mode=session: take it away there"),)
    return Fix(
        "pool the application databases by transaction, and postgres by session",
        changes,
        "OCA queue_job's runner LISTENs on the application database: give it jobrunner_db_host and jobrunner_db_port of"
        " PostgreSQL itself; run pg_dump and odoo-bin -u directly too",
    )
