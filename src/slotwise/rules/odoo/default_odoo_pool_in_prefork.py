"""SW105 default-odoo-pool-in-prefork."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.from_snapshot import InstallationDemand
from slotwise.capacity.refit import Wanted, refit
from slotwise.capacity.supply import Supply
from slotwise.findings import Change, Finding, Fix, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite, cite_option
from slotwise.rules.instances import each_instance, gevent_pool_size, has_gevent, is_prefork, set_option
from slotwise.snapshot.odoo import Odoo, OdooInstance

DEFAULT_POOL = 64
SMALLEST_ADVISED, LARGEST_ADVISED = 16, 48
ADVISED_GEVENT = 32


@rule("SW105", Severity.INFO)
def default_odoo_pool_in_prefork(
    odoo: Odoo, demand: InstallationDemand | None, supply: Supply | None
) -> Iterator[Finding]:
    """Every prefork process may hold as many connections as one threaded server was meant to share.

    **Why it matters.** `db_maxconn` is the size of each process's odoo_pool, not of the installation's: its default of
    64 suits the one process of threaded mode. With workers each of them may fill its own, so the ceiling is
    (workers + max_cron_threads) × db_maxconn + db_maxconn_gevent, far above what any worker needs. Nothing stops a leak
    in an addon before PostgreSQL does, and then everybody is refused instead of the one worker that leaks.

    **Evidence.** `workers` above 0 and `db_maxconn` at 64 or more (default of 17.0, 18.0 and 19.0; odoo/sql_db.py makes
    one pool per process). An HTTP worker serves one request at a time and keeps one or two connections per database.

    **Fix.** Pools with which the ceiling fits the slots where that can be had; else `db_maxconn = 16`, more where many
    databases are served, and `db_maxconn_gevent = 32` for the one gevent process, which does need many at once.

    **When to ignore it.** When max_connections is above the ceiling anyway, or every worker serves dozens of databases.
    """
    fits = _that_fit(demand, supply)

    def check(instance: OdooInstance) -> Iterator[Finding]:
        yield from _check(instance, fits.get(instance.id) or _advised(instance, demand))

    yield from each_instance(odoo, check)


def _that_fit(demand: InstallationDemand | None, supply: Supply | None) -> dict[str, tuple[int, int]]:
    """Pools with which the ceiling is within the slots, by instance; none where workers are too many for that."""
    if demand is None or supply is None or supply.usable is None:
        return {}
    usable = supply.usable
    found = refit(demand, (Wanted(lambda f: f.ceiling <= usable, False),))
    sizes = {r.instance: (r.db_maxconn, r.db_maxconn_gevent) for r in found.resized} if found is not None else {}
    return {name: (pool, gevent or ADVISED_GEVENT) for name, (pool, gevent) in sizes.items() if pool is not None}


def _advised(instance: OdooInstance, demand: InstallationDemand | None) -> tuple[int, int]:
    """Two connections per database and four for what a request opens beside them, in steps of eight."""
    planned = next((p for p in demand.instances if p.instance == instance.id), None) if demand is not None else None
    databases = max(len(instance.pinned_databases), planned.likely.databases_seen if planned is not None else 0)
    return min(LARGEST_ADVISED, max(SMALLEST_ADVISED, -(-(2 * databases + 4) // 8) * 8)), ADVISED_GEVENT


def _check(instance: OdooInstance, sizes: tuple[int, int]) -> Iterator[Finding]:
    if not is_prefork(instance):
        return
    pool = instance.integer("db_maxconn")
    if pool < DEFAULT_POOL:
        return
    workers, cron = instance.integer("workers"), instance.integer("max_cron_threads")
    gevent = gevent_pool_size(instance)
    on_gevent = (gevent or pool) if has_gevent(instance) else 0
    ceiling = (workers + cron) * pool + on_gevent
    advised, for_gevent = sizes
    with_gevent = ""
    changes: tuple[Change, ...] = set_option(instance, "db_maxconn", advised)
    new_gevent = min(gevent, for_gevent) if gevent is not None else for_gevent
    if gevent != new_gevent and has_gevent(instance):
        changes += set_option(instance, "db_maxconn_gevent", new_gevent)
        with_gevent = f", db_maxconn_gevent = {new_gevent}"
    after = (workers + cron) * advised + (new_gevent if has_gevent(instance) else 0)
    yield Finding(
        f"each of {workers} HTTP and {cron} cron workers may hold db_maxconn {pool} connections:"
        f" ({workers} + {cron}) × {pool} + {on_gevent} for gevent = {ceiling}",
        (
            cite_option(instance, "db_maxconn"),
            cite_option(instance, "workers"),
            cite_option(instance, "max_cron_threads"),
            cite_option(instance, "db_maxconn_gevent"),
            cite("ceiling", ceiling, "(workers + max_cron_threads) × db_maxconn + gevent's odoo_pool"),
        ),
        Fix(
            f"set db_maxconn = {advised}{with_gevent}: the ceiling falls from {ceiling} to {after}",
            changes,
            "a worker that really needs more at once then reads `The Connection Pool Is Full`",
        ),
        subject=instance.id,
    )
