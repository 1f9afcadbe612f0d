"""SW105 default-odoo-pool-in-prefork."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Change, Finding, Fix, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite, cite_option
from slotwise.rules.instances import each_instance, gevent_pool_size, has_gevent, is_prefork, set_option
from slotwise.snapshot.odoo import Odoo, OdooInstance

DEFAULT_POOL = 64
SMALLEST_ADVISED, LARGEST_ADVISED = 16, 48
ADVISED_GEVENT = 32


@rule("SW105", Severity.INFO)
def default_odoo_pool_in_prefork(odoo: Odoo) -> Iterator[Finding]:
    """Every prefork process may hold as many connections as one threaded server was meant to share.

    **Why it matters.** `db_maxconn` is the size of each process's odoo_pool, not of the installation's: its default of
    64 suits the one process of threaded mode. With workers each of them may fill its own, so the ceiling is
    (workers + max_cron_threads) × db_maxconn + db_maxconn_gevent, far above what any worker needs. Nothing stops a leak
    in an addon before PostgreSQL does, and then everybody is refused instead of the one worker that leaks.

    **Evidence.** `workers` above 0 and `db_maxconn` at 64 or more (default of 17.0, 18.0 and 19.0; odoo/sql_db.py makes
    one pool per process). An HTTP worker serves one request at a time and keeps one or two connections per database.

    **Fix.** `db_maxconn = 16`, more where many databases are served, and `db_maxconn_gevent = 32` for the one gevent
    process, which does need many at once.

    **When to ignore it.** When max_connections is above the ceiling anyway, or every worker serves dozens of databases.
    """
    yield from each_instance(odoo, _check)


def advised_pool(instance: OdooInstance) -> int:
    """Two connections per pinned database and four for what a request opens beside them, in steps of eight."""
    wanted = 2 * len(instance.pinned_databases) + 4
    return min(LARGEST_ADVISED, max(SMALLEST_ADVISED, -(-wanted // 8) * 8))


def _check(instance: OdooInstance) -> Iterator[Finding]:
    if not is_prefork(instance):
        return
    pool = instance.integer("db_maxconn")
    if pool < DEFAULT_POOL:
        return
    workers, cron = instance.integer("workers"), instance.integer("max_cron_threads")
    gevent = gevent_pool_size(instance)
    on_gevent = (gevent or pool) if has_gevent(instance) else 0
    ceiling = (workers + cron) * pool + on_gevent
    advised = advised_pool(instance)
    changes: tuple[Change, ...] = set_option(instance, "db_maxconn", advised)
    new_gevent = gevent or ADVISED_GEVENT
    if gevent is None and has_gevent(instance):
        changes += set_option(instance, "db_maxconn_gevent", ADVISED_GEVENT)
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
            f"set db_maxconn = {advised}: the ceiling falls from {ceiling} to {after}",
            changes,
            "a worker that really needs more at once then reads `The Connection Pool Is Full`",
        ),
        subject=instance.id,
    )
