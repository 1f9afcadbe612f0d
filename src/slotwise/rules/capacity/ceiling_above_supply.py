"""SW103 ceiling-above-supply."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.from_snapshot import InstallationDemand
from slotwise.capacity.refit import Wanted, refit, smallest
from slotwise.capacity.supply import Supply
from slotwise.findings import Finding, Fix, Manual, Severity
from slotwise.rules.engine import rule
from slotwise.rules.fitting import (
    arithmetic,
    changes_of,
    cite_demand,
    need_all_seen,
    of_slots,
    settings_in_words,
    usable_slots,
)
from slotwise.snapshot.odoo import Odoo


@rule("SW103", Severity.INFO)
def ceiling_above_supply(odoo: Odoo, demand: InstallationDemand, supply: Supply) -> Iterator[Finding]:
    """The settings allow more connections than PostgreSQL has slots for; only habit keeps the installation below.

    **Why it matters.** A default installation looks like this and works: no worker comes near its odoo_pool of 64. But
    nothing stops one either. With the ceiling below the slots, a leak in an addon or a burst of websockets fills the
    process that causes it, and everybody else goes on.

    **Evidence.** The sum of all odoo_pools, with what others hold, against max_connections less the reserves. Where
    every instance goes through a PgBouncer the odoo_pools are its clients and do not count here: what its own pools may
    open is server-pools-above-slots.

    **Fix.** `db_maxconn` (8 to 16 is plenty for a worker) and `db_maxconn_gevent`, tried out on the same arithmetic.
    Nothing needs to be done today.

    **When to ignore it.** When typical demand and peak fit and no addon opens connections of its own.
    """
    usable, ceiling = usable_slots(supply), demand.figures.ceiling
    if not demand.direct:
        return
    if ceiling <= usable:
        need_all_seen(demand, False)
        return
    yield Finding(
        f"the settings allow {ceiling} connections, there are {of_slots(supply)}: {arithmetic(demand, 'ceiling')};"
        f" ordinary work takes {demand.figures.typical}, the guide's formula says {demand.guide}",
        cite_demand(demand, supply),
        _lower(demand, usable, odoo),
    )


def _lower(demand: InstallationDemand, usable: int, odoo: Odoo) -> Fix:
    found = refit(demand, (Wanted(lambda f: f.ceiling <= usable, False),))
    risk = "a process that really needs more at once then reads `The Connection Pool Is Full`"
    if found is not None:
        text = f"{settings_in_words(found)}: the ceiling falls to {found.figures.ceiling}"
        return Fix(text, changes_of(found, odoo), risk)
    least = smallest(demand)
    if least is not None:
        text = (
            f"{settings_in_words(least)}: the ceiling falls to {least.figures.ceiling}, which needs a PgBouncer to fit"
        )
        return Fix(text, changes_of(least, odoo), risk)
    step = Manual("a PgBouncer whose pools are capped by max_user_connections bounds what Odoo's pools do not")
    return Fix("the odoo_pools are as small as they may be: only a PgBouncer in between bounds the sum", (step,))
