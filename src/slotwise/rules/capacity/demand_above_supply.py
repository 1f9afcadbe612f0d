"""SW101 demand-above-supply."""

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
    slots_for,
    usable_slots,
)
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.processes import Host, Memory


@rule("SW101", Severity.CRITICAL)
def demand_above_supply(
    odoo: Odoo,
    demand: InstallationDemand,
    supply: Supply,
    sessions: Sessions | None,
    memory: Memory | None,
    machine: Host | None,
) -> Iterator[Finding]:
    """Ordinary work needs more connections than Odoo's role has slots.

    **Why it matters.** This is not a matter of a bad hour: HTTP workers keep one or two connections per database, cron
    workers four, and once each has served a request the sum is above what PostgreSQL lets in. Whoever comes last is
    refused; 18 and 19 then log the user out (odoo/http.py, `Database or registry unusable, trying without`).

    **Evidence.** Typical demand, term by term (processes × connections, for the databases that are seen in use or that
    `db_name` lists, and the sessions of other clients), against max_connections less the reserves. The guide's formula
    is shown beside it. A host that has just started is judged by its settings and not by what it holds. Behind a
    PgBouncer it is what its pools open that counts.

    **Fix.** Smaller odoo_pools or fewer workers, tried out on the same arithmetic; a PgBouncer where that is not
    enough; max_connections last, with the memory that it costs.

    **When to ignore it.** When the other clients that were counted are gone for good.
    """
    usable, figures = usable_slots(supply), demand.figures
    if figures.typical <= usable:
        need_all_seen(demand, demand.highest.typical > usable)
        return
    fix = remedy(
        demand,
        supply,
        lambda f: f.typical <= usable,
        slots_for(figures.typical),
        odoo,
        memory_per_connection(memory, sessions),
        machine,
    )
    yield Finding(
        f"ordinary work takes {figures.typical} connections, but there are {of_slots(supply)}:"
        f" {arithmetic(demand, 'typical')}; the guide's formula says {demand.guide}",
        cite_demand(demand, supply),
        fix,
    )
