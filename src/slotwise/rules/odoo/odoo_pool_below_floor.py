"""SW106 odoo-pool-below-floor."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Finding, Fix, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite, cite_option
from slotwise.rules.instances import each_instance, gevent_pool_size, has_gevent, is_prefork, set_option
from slotwise.snapshot.odoo import Odoo, OdooInstance

HTTP_FLOOR = 4
"""One request: its cursor, a call's or a login's own, mail after the commit, and a notification on `postgres`."""

CRON_FLOOR = 6
"""One scheduled action: LISTEN, the job's lock, the job, check_signaling, a cursor of its own, a notification."""

CRON_MINIMUM = 4
"""LISTEN and the three cursors of any scheduled action: below it no action can run (odoo/odoo issue 31830, with 3)."""

GEVENT_FLOOR = 8
THREADED_REQUESTS = 4
"""Requests at once that a threaded server is judged for; nothing bounds them (odoo/service/server.py)."""

ADVISED = 16
ADVISED_GEVENT = 32


@rule("SW106", Severity.WARNING)
def odoo_pool_below_floor(odoo: Odoo) -> Iterator[Finding]:
    """The odoo_pool is smaller than what one process needs at once, so Odoo fails by itself.

    **Why it matters.** A full odoo_pool does not wait: it raises `The Connection Pool Is Full` at once, while
    PostgreSQL has slots to spare. One request opens up to four connections (its own cursor, that of a call or a
    login, mail after the commit, a notification on `postgres`), one scheduled action up to six. It is the wrong place
    to save slots: fewer workers, or a PgBouncer, cost nothing at the moment of need.

    **Evidence.** `db_maxconn` below 4 with HTTP workers, below 6 with cron workers; in threaded mode below 6 ×
    max_cron_threads + 2 × 4 requests, because one process does everything; `db_maxconn_gevent` below 8. Below 4 with
    cron workers no scheduled action can run at all, hence critical. Depths as read in
    odoo/addons/base/models/ir_cron.py and odoo/service/model.py, 17.0 to 19.0.

    **Fix.** Raise `db_maxconn` to 16 (it is an upper bound per process, not what is held), and lower `workers` if the
    ceiling must stay small.

    **When to ignore it.** Never with cron workers; without them, when every addon is known to use one cursor only.
    """
    yield from each_instance(odoo, _check)


def _check(instance: OdooInstance) -> Iterator[Finding]:
    pool, cron = instance.integer("db_maxconn"), instance.integer("max_cron_threads")
    effective = max(1, pool)
    if is_prefork(instance):
        floor, why = (CRON_FLOOR, "a scheduled action") if cron > 0 else (HTTP_FLOOR, "a request")
        advised = ADVISED
    else:
        floor = max(HTTP_FLOOR, 6 * cron + 2 * THREADED_REQUESTS)
        why = f"6 × {cron} cron threads + 2 × {THREADED_REQUESTS} requests"
        advised = max(ADVISED, -(-floor // 8) * 8)
    if effective < floor:
        broken = cron > 0 and effective < CRON_MINIMUM
        yield Finding(
            f"db_maxconn {pool} is below the {floor} connections that {why} can need in one process"
            + ("; no scheduled action can run with fewer than 4" if broken else ""),
            (
                cite_option(instance, "db_maxconn"),
                cite_option(instance, "workers"),
                cite_option(instance, "max_cron_threads"),
                cite("floor", floor, "odoo/addons/base/models/ir_cron.py, odoo/service/model.py 17.0 to 19.0"),
            ),
            Fix(
                f"set db_maxconn = {advised}; to lower the ceiling use fewer workers instead",
                set_option(instance, "db_maxconn", advised),
                "the ceiling rises: see ceiling-above-supply",
            ),
            subject=instance.id,
            severity=Severity.CRITICAL if broken else None,
        )
    gevent = gevent_pool_size(instance)
    if is_prefork(instance) and has_gevent(instance) and gevent is not None and gevent < GEVENT_FLOOR:
        yield Finding(
            f"db_maxconn_gevent {gevent} leaves {max(0, gevent - 1)} connections beside the bus's LISTEN session:"
            f" browsers that are notified together are turned away",
            (
                cite_option(instance, "db_maxconn_gevent"),
                cite("floor", GEVENT_FLOOR, "addons/bus/websocket.py: one cursor per notified websocket"),
            ),
            Fix(
                f"set db_maxconn_gevent = {ADVISED_GEVENT}: it is one process",
                set_option(instance, "db_maxconn_gevent", ADVISED_GEVENT),
            ),
            subject=f"{instance.id} gevent",
        )
