"""SW304 no-global-cap."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.from_snapshot import InstallationDemand
from slotwise.capacity.pgbouncer_pools import DIRECT_CONNECTIONS
from slotwise.capacity.pools import CONSOLE, database_cap, number
from slotwise.capacity.routes import Routes
from slotwise.capacity.supply import Supply
from slotwise.findings import Change, Finding, Fix, Manual, SetPgBouncer, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite
from slotwise.rules.poolers import each_pooler
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers

MANY_DATABASES = 5


@rule("SW304", Severity.WARNING)
def no_global_cap(
    routes: Routes, pgbouncers: PgBouncers | None, demand: InstallationDemand | None, supply: Supply | None
) -> Iterator[Finding]:
    """Nothing bounds PgBouncer's server connections as a whole: each new database brings a pool of its own.

    **Why it matters.** With a wildcard entry every name that a client asks for makes a pool of `default_pool_size` for
    each user: a restored copy, a typing mistake, a probe. The sum is bounded by nothing but PostgreSQL's slots, and
    those are refused to everybody once it is reached.

    **Evidence.** A `*` entry, or five and more databases, with neither `max_user_connections` nor
    `max_db_connections` (both default to 0, no cap; https://www.pgbouncer.org/config.html).

    **Fix.** `max_user_connections`, at what PostgreSQL has left for Odoo's role.

    **When to ignore it.** When the PostgreSQL role has a `CONNECTION LIMIT` that serves the same end.
    """

    def check(pgbouncer: PgBouncer) -> Iterator[Finding]:
        names = [d.name for d in pgbouncer.databases if d.name != CONSOLE]
        if number(pgbouncer, "max_user_connections") or number(pgbouncer, "max_db_connections"):
            return
        uncapped = [n for n in names if database_cap(pgbouncer, n) is None]
        if not pgbouncer.wildcard and len(uncapped) < MANY_DATABASES:
            if pgbouncer.wildcard is None:
                remedy = "let slotwise read pgbouncer.ini, or set max_user_connections"
                gap = Unavailable(f"wildcard of {pgbouncer.address}", "the console does not show it", remedy)
                raise MissingEvidence(gap)
            return
        size = number(pgbouncer, "default_pool_size")
        what = "a wildcard entry" if pgbouncer.wildcard else f"{len(uncapped)} databases"
        yield Finding(
            f"{what} at PgBouncer {pgbouncer.address} and neither max_user_connections nor max_db_connections:"
            f" every database and user adds up to {size} server connections",
            (
                cite("wildcard", pgbouncer.wildcard, pgbouncer.config_file or "pgbouncer.ini"),
                cite("databases", len(names), f"SHOW DATABASES of {pgbouncer.address}"),
                cite("default_pool_size", size, f"SHOW CONFIG of {pgbouncer.address}"),
                cite("max_user_connections", 0, f"SHOW CONFIG of {pgbouncer.address}"),
                cite("max_db_connections", 0, f"SHOW CONFIG of {pgbouncer.address}"),
            ),
            _cap(pgbouncer, demand, supply),
            subject=f"PgBouncer {pgbouncer.address}",
        )

    yield from each_pooler(routes, pgbouncers, check)


def _cap(pgbouncer: PgBouncer, demand: InstallationDemand | None, supply: Supply | None) -> Fix:
    risk = "too few make clients wait: watch cl_waiting and maxwait (pool-starved)"
    pooled = demand.pooled if demand is not None else ()
    mine = next((p for p in pooled if p.address == pgbouncer.address), None)
    if demand is None or mine is None or supply is None or supply.usable is None:
        step = Manual("set max_user_connections to what PostgreSQL has left for Odoo's role (slotwise plan)")
        return Fix("set max_user_connections; the slots that are left are not known", (step,), risk)
    budget = supply.usable - demand.likely.typical - DIRECT_CONNECTIONS
    left = budget // len(pooled) // max(1, len(mine.likely.users))
    if left < 1:
        step = Manual("free slots first: what connects directly leaves none for PgBouncer's pools")
        return Fix("the slots that are left do not bear any pool", (step,))
    changes: tuple[Change, ...] = (SetPgBouncer(pgbouncer.address, "max_user_connections", str(left)),)
    said = (
        f"set max_user_connections = {left}: {supply.usable} usable slots less {demand.likely.typical} taken directly"
        f" and {DIRECT_CONNECTIONS} kept for upgrades, dumps and a DBA"
    )
    users = f", for each of {len(mine.likely.users)} users" if len(mine.likely.users) > 1 else ""
    return Fix(said + users, changes, risk)
