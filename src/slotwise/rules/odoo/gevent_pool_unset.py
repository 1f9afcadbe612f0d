"""SW107 gevent-pool-unset."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Finding, Fix, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite_option
from slotwise.rules.instances import each_instance, gevent_pool_size, has_gevent, is_prefork, set_option
from slotwise.snapshot.odoo import Odoo, OdooInstance

ENOUGH_FOR_GEVENT = 32


@rule("SW107", Severity.WARNING)
def gevent_pool_unset(odoo: Odoo) -> Iterator[Finding]:
    """A small db_maxconn also bounds the gevent process, which needs many connections at once.

    **Why it matters.** Lowering `db_maxconn` is right for HTTP workers, which serve one request at a time. The gevent
    process serves every websocket: it opens one cursor for each browser that is notified, in bursts. Without
    `db_maxconn_gevent` it gets the workers' small odoo_pool, retries ten times and closes the websocket
    (`Failed to acquire cursor after 10 retries`); browsers reconnect in waves, and live chat and notifications lag.

    **Evidence.** `workers` above 0, HTTP on, `db_maxconn` below 32 and `db_maxconn_gevent` unset, False or 0
    (odoo/sql_db.py: the gevent process takes `db_maxconn_gevent or db_maxconn`, 17.0:795-801, 18.0:842-849,
    19.0:807-819).

    **Fix.** Set `db_maxconn_gevent = 32`. There is exactly one gevent process, so this costs 32 slots at most.

    **When to ignore it.** When nobody keeps a browser open: a server for RPC clients only.
    """
    yield from each_instance(odoo, _check)


def _check(instance: OdooInstance) -> Iterator[Finding]:
    if not is_prefork(instance) or not has_gevent(instance):
        return
    pool = instance.integer("db_maxconn")
    if instance.option("db_maxconn_gevent") is None:
        instance.integer("db_maxconn_gevent")
    if pool >= ENOUGH_FOR_GEVENT or gevent_pool_size(instance) is not None:
        return
    yield Finding(
        f"db_maxconn_gevent is not set, so the gevent process gets db_maxconn {pool}:"
        f" {max(0, max(1, pool) - 1)} cursors for all websockets beside its LISTEN session",
        (cite_option(instance, "db_maxconn"), cite_option(instance, "db_maxconn_gevent")),
        Fix(
            f"set db_maxconn_gevent = {ENOUGH_FOR_GEVENT}",
            set_option(instance, "db_maxconn_gevent", ENOUGH_FOR_GEVENT),
            f"the ceiling rises by {ENOUGH_FOR_GEVENT - max(1, pool)} connections",
        ),
        subject=instance.id,
    )
