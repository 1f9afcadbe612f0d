"""SW104 headroom-below-reserve."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.from_snapshot import InstallationDemand
from slotwise.capacity.headroom import DEFAULT_HEADROOM_RATIO, headroom_ratio
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
    slots_for,
    usable_slots,
)
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.processes import Host, Memory


@rule("SW104", Severity.WARNING)
def headroom_below_reserve(
    odoo: Odoo,
    demand: InstallationDemand,
    supply: Supply,
    sessions: Sessions | None,
    memory: Memory | None,
    machine: Host | None,
) -> Iterator[Finding]:
    """Ordinary work leaves less than 30 % of the usable slots free.

    **Why it matters.** The free part is what backups, `odoo-bin shell`, an upgrade, a leak that is not found yet and
    the DBA's own session live on. The guide keeps 30 % and alerts at 80 %; both are counted here of the *usable*
    slots, reserves taken off, over the whole server.

    **Evidence.** Typical demand, term by term, against max_connections less the reserves; the guide's formula beside
    it. Silent where typical demand is above the slots: demand-above-supply says so.

    **Fix.** Smaller odoo_pools or fewer workers, tried out on the same arithmetic; then a PgBouncer; max_connections
    last, with the memory that it costs.

    **When to ignore it.** When every client of the server is counted here and none of them can grow.
    """
    usable, figures = usable_slots(supply), demand.figures
    left = headroom_ratio(figures.typical, usable)
    if left is None or figures.typical > usable:
        return
    if left >= DEFAULT_HEADROOM_RATIO:
        most = headroom_ratio(demand.highest.typical, usable)
        need_all_seen(demand, most is not None and most < DEFAULT_HEADROOM_RATIO)
        return
    fix = remedy(
        demand,
        supply,
        lambda f: (headroom_ratio(f.typical, usable) or 0.0) >= DEFAULT_HEADROOM_RATIO,
        slots_for(figures.typical),
        odoo,
        memory_per_connection(memory, sessions),
        machine,
    )
    yield Finding(
        f"ordinary work takes {figures.typical} of {of_slots(supply)}, {left:.0%} stay free instead of"
        f" {DEFAULT_HEADROOM_RATIO:.0%}: {arithmetic(demand, 'typical')}; the guide's formula says {demand.guide}",
        cite_demand(demand, supply),
        fix,
    )
