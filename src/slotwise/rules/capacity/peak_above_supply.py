"""SW102 peak-above-supply."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.from_snapshot import InstallationDemand
from slotwise.capacity.supply import Supply
from slotwise.findings import Finding, Severity
from slotwise.rules.engine import rule
from slotwise.rules.fitting import (
    arithmetic,
    cite_demand,
    memory_per_connection,
    need_all_seen,
    of_slots,
    remedy,
    usable_slots,
)
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.processes import Host, Memory


@rule("SW102", Severity.WARNING)
def peak_above_supply(
    odoo: Odoo,
    demand: InstallationDemand,
    supply: Supply,
    sessions: Sessions | None,
    memory: Memory | None,
    machine: Host | None,
) -> Iterator[Finding]:
    """Ordinary work fits, but the realistic peak does not: some will be refused on a busy day.

    **Why it matters.** At the peak every worker runs a request that opens cursors beside its own, every cron worker
    runs a scheduled action, and the gevent process notifies every websocket at once, up to its whole odoo_pool. All
    at once is rare, but month's end is such a moment, and a refused connection is not retried.

    **Evidence.** Peak demand, term by term, against max_connections less the reserves; the guide's formula beside it.
    Silent where typical demand is above the slots already: demand-above-supply says so.

    **Fix.** Mostly `db_maxconn_gevent`, then `db_maxconn` and workers, tried out on the same arithmetic; then a
    PgBouncer; max_connections last, with the memory that it costs.

    **When to ignore it.** When nobody keeps websockets open, so that the gevent process never fills its odoo_pool.
    """
    usable, figures = usable_slots(supply), demand.figures
    if figures.typical > usable:
        return
    if figures.peak <= usable:
        need_all_seen(demand, demand.highest.peak > usable)
        return
    fix = remedy(
        demand,
        supply,
        lambda f: f.peak <= usable,
        figures.peak,
        odoo,
        memory_per_connection(memory, sessions),
        machine,
    )
    yield Finding(
        f"the realistic peak of {figures.peak} connections is above {of_slots(supply)}:"
        f" {arithmetic(demand, 'peak')}; ordinary work takes {figures.typical},"
        f" the guide's formula says {demand.guide}",
        cite_demand(demand, supply),
        fix,
    )
