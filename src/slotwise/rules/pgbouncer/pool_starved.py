"""SW306 pool-starved."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.from_snapshot import InstallationDemand
from slotwise.capacity.pools import CONSOLE, database_cap, mode_of, number, pool_size, seconds
from slotwise.capacity.routes import Routes
from slotwise.capacity.supply import Supply
from slotwise.findings import Change, Finding, Fix, Manual, SetPoolDatabase, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite
from slotwise.rules.poolers import each_pooler
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers, Pool

WAITING_SECONDS = 1.0
"""Shorter waits are what a pool is for."""

DEFAULT_QUERY_WAIT_TIMEOUT_SECONDS = 120.0


@rule("SW306", Severity.WARNING)
def pool_starved(
    routes: Routes, pgbouncers: PgBouncers | None, demand: InstallationDemand | None, supply: Supply | None
) -> Iterator[Finding]:
    """Clients wait at PgBouncer for a server connection that does not come.

    **Why it matters.** A waiting client is a hanging request. After `query_wait_timeout` PgBouncer closes it, and Odoo
    logs `server closed the connection unexpectedly`; processes that hold one connection while they wait for a second
    may wait for each other.

    **Evidence.** SHOW POOLS: `cl_waiting` above 0 and `maxwait` of a second or more. All servers of the pool active: it
    is too small, or its transactions are too long. Fewer than the pool allows: a cap binds, or PostgreSQL refuses
    logins (PgBouncer's log says which). No server at all: logins fail. Critical from half of `query_wait_timeout` on.

    **Fix.** A larger `pool_size` where PostgreSQL has slots for it; otherwise shorter transactions, or the cap that
    binds.

    **When to ignore it.** For pools that nobody's work waits for, such as a nightly report.
    """

    def check(pgbouncer: PgBouncer) -> Iterator[Finding]:
        for pool in pgbouncer.pools:
            if pool.database != CONSOLE and pool.cl_waiting > 0 and pool.maxwait_seconds >= WAITING_SECONDS:
                yield from _starved(pgbouncer, pool, demand, supply)

    yield from each_pooler(routes, pgbouncers, check)


def _starved(
    pgbouncer: PgBouncer, pool: Pool, demand: InstallationDemand | None, supply: Supply | None
) -> Iterator[Finding]:
    servers = pool.sv_active + pool.sv_idle + pool.sv_used + pool.sv_tested
    size = pool_size(pgbouncer, pool.database)
    capped = min(size, database_cap(pgbouncer, pool.database) or size)
    if servers > 0 and capped - servers >= pool.cl_waiting and pool.sv_login > 0:
        return  # new server connections are on their way, one at a time
    why, fix = _reason(pgbouncer, pool, servers, capped, _room(demand, supply))
    patience = seconds(pgbouncer, "query_wait_timeout", DEFAULT_QUERY_WAIT_TIMEOUT_SECONDS)
    source = f"SHOW POOLS of {pgbouncer.address}"
    yield Finding(
        f"{pool.cl_waiting} clients wait for pool {pool.database}/{pool.user} at PgBouncer {pgbouncer.address},"
        f" the first for {pool.maxwait_seconds:.1f} s: {why}",
        (
            cite("cl_waiting", pool.cl_waiting, source),
            cite("maxwait", pool.maxwait_seconds, source),
            cite("sv_active", pool.sv_active, source),
            cite("servers", servers, source),
            cite("pool_size", size, f"SHOW DATABASES of {pgbouncer.address}"),
            cite("query_wait_timeout", patience, f"SHOW CONFIG of {pgbouncer.address}"),
        ),
        fix,
        subject=f"pool {pool.database}/{pool.user}",
        severity=Severity.CRITICAL if patience and pool.maxwait_seconds >= patience / 2 else None,
    )


def _room(demand: InstallationDemand | None, supply: Supply | None) -> int | None:
    """Slots that PostgreSQL has left above what everybody may open already; None where that is not known."""
    if demand is None or supply is None or supply.usable is None or demand.others is None:
        return None
    return supply.usable - demand.likely.typical - sum(p.likely.total for p in demand.pooled)


def _reason(pgbouncer: PgBouncer, pool: Pool, servers: int, capped: int, room: int | None) -> tuple[str, Fix]:
    if servers == 0:
        step = Manual(
            "read PgBouncer's log for `server login failed` or `connect failed`, and PostgreSQL's at that time"
        )
        return "it has no server connection: logins to PostgreSQL fail", Fix("find why logins fail", (step,))
    if servers < capped:
        per_user = number(pgbouncer, "max_user_connections")
        of_user = sum(p.sv_active + p.sv_idle + p.sv_used + p.sv_tested for p in pgbouncer.pools if p.user == pool.user)
        if per_user and of_user >= per_user:
            step = Manual("raise max_user_connections if PostgreSQL has slots left, or shrink another pool")
            return f"max_user_connections {per_user} is reached", Fix("lift the cap that binds", (step,))
        step = Manual("read PgBouncer's log for `server login failed`: PostgreSQL may refuse more sessions")
        return f"only {servers} of {capped} servers are open", Fix(
            "find what keeps PgBouncer from opening more", (step,)
        )
    if mode_of(pgbouncer, pool.database, pool.user) == "session":
        step = Manual("pool the application databases by transaction (session-pool-no-multiplex)")
        if pool.database == "postgres":
            step = Manual("give the entry postgres a larger pool_size: LISTEN sessions keep theirs for good")
        return f"all {capped} are held by sessions that do not give them back", Fix("end the hold", (step,))
    return _grow(pgbouncer, pool, capped, room)


def _grow(pgbouncer: PgBouncer, pool: Pool, capped: int, room: int | None) -> tuple[str, Fix]:
    why = f"all {capped} server connections are taken: the pool is too small, or its transactions are too long"
    cap = database_cap(pgbouncer, pool.database)
    wanted = capped + pool.cl_waiting
    if room is None or room < pool.cl_waiting or (cap is not None and cap < wanted):
        step = Manual("find the long transactions (pg_stat_activity: xact_start of active and idle in transaction)")
        return why, Fix("shorten the transactions: no slots, or none that are known of, are left for more", (step,))
    changes: tuple[Change, ...] = (
        SetPoolDatabase(pgbouncer.address, pool.database, {"pool_size": str(wanted), "reserve_pool": "0"}),
    )
    return why, Fix(f"raise pool_size of {pool.database} to {wanted}: PostgreSQL has {room} slots left", changes)
