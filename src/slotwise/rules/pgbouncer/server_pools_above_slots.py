"""SW303 server-pools-above-slots."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.from_snapshot import InstallationDemand
from slotwise.capacity.pgbouncer_pools import DIRECT_CONNECTIONS
from slotwise.capacity.pools import PoolBound
from slotwise.capacity.supply import Supply
from slotwise.findings import Finding, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite
from slotwise.rules.poolers import cap_pools
from slotwise.snapshot.evidence import MissingEvidence, Unavailable


@rule("SW303", Severity.WARNING)
def server_pools_above_slots(demand: InstallationDemand, supply: Supply) -> Iterator[Finding]:
    """PgBouncer's pools together may open more server connections than PostgreSQL has slots for.

    **Why it matters.** `pool_size` is per pair of database and user. Five databases at the default of 20 are a hundred
    server connections; a wildcard multiplies it by whatever databases are asked for. When PostgreSQL refuses one, a
    pool that is open already hides the reason: clients wait for `query_wait_timeout`, and only PgBouncer's log says
    `too many clients`.

    **Evidence.** For each user the sum of pool_size + reserve_pool over databases, each cut to `max_db_connections`,
    together cut to `max_user_connections`; beside it what takes slots directly. The databases are those with a pool or
    in use; when only all that Odoo may come to serve exceed the slots, it is mentioned.

    **Fix.** `max_user_connections`: one number that bounds all pools of Odoo's role. PgBouncer then takes an idle
    server connection from one pool for another, without errors.

    **When to ignore it.** When the databases are never busy together and a `CONNECTION LIMIT` protects the others.
    """
    if not demand.pooled:
        return
    if supply.usable is None:
        raise MissingEvidence(Unavailable("max_connections", "was not read", "run doctor where it can connect"))
    direct = demand.likely.typical
    now = sum(p.likely.total for p in demand.pooled) + direct
    later = sum(p.most.total for p in demand.pooled) + direct
    if later <= supply.usable:
        if demand.others is None:
            gap = Unavailable("sessions outside PgBouncer", "were not seen", "run doctor where it can connect")
            raise MissingEvidence(gap)
        return
    above_now = now > supply.usable
    bounds = [(p.address, p.likely if above_now else p.most) for p in demand.pooled]
    terms = "; ".join(f"{address}: {_words(bound)}" for address, bound in bounds)
    total = now if above_now else later
    yield Finding(
        f"PgBouncer may open {total - direct} server connections, {direct} come directly: {total} of {supply.usable}"
        f" usable slots ({terms})" + ("" if above_now else ", once every database is asked for"),
        (
            *(
                cite(f"server connections of {address}", b.total, "SHOW DATABASES, POOLS, CONFIG")
                for address, b in bounds
            ),
            cite("direct", direct, demand.source),
            cite("usable", supply.usable, "max_connections less the reserves"),
        ),
        cap_pools(bounds, supply.usable - direct - DIRECT_CONNECTIONS),
        severity=None if above_now else Severity.INFO,
    )


def _words(bound: PoolBound) -> str:
    capped = f", capped to {bound.total}" if bound.total < bound.uncapped else ""
    return f"{len(bound.databases)} databases × {len(bound.users)} users make {bound.uncapped}{capped}"
