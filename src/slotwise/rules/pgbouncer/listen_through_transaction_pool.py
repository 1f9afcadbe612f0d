"""SW301 listen-through-transaction-pool."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.pools import entry_of, mode_of
from slotwise.capacity.routes import Routes
from slotwise.findings import Change, Finding, Fix, SetPoolDatabase, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite
from slotwise.rules.instances import has_gevent, is_prefork
from slotwise.rules.poolers import NAME_THE_CONSOLE, each_pooler
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers
from slotwise.snapshot.session_kinds import MAINTENANCE_DATABASE

GEVENT_AT_ONCE = 5
"""Notifications that the gevent process sends at once in ordinary work."""

THREADS_AT_ONCE = 8
"""Requests of a threaded server that notify at once, planned for where nothing bounds them."""


@rule("SW301", Severity.CRITICAL)
def listen_through_transaction_pool(odoo: Odoo, routes: Routes, pgbouncers: PgBouncers | None) -> Iterator[Finding]:
    """Odoo listens on database postgres through a pool that gives the session away after each transaction.

    **Why it matters.** Live chat, notifications, discuss and cron triggers all go through LISTEN/NOTIFY on database
    `postgres`. LISTEN belongs to a session; in transaction or statement mode PgBouncer hands that session to somebody
    else at the COMMIT, and the notifications with it. No error appears anywhere. Measured with Odoo 17, 18 and 19: 0
    of 3 messages reach an open browser through such a pool, 3 of 3 with `postgres` in session mode. Cron triggers
    fall back to polling once a minute.

    **Evidence.** The pool mode that database `postgres` gets at the PgBouncer that Odoo connects to: of its running
    pool, its entry, the wildcard, or the whole PgBouncer. LISTEN in odoo/service/server.py and
    addons/bus/models/bus.py, 17.0 to 19.0; pool modes at https://www.pgbouncer.org/features.html.

    **Fix.** An entry of its own for `postgres` with `pool_mode=session` in `[databases]`, and a pool_size in which no
    notification waits for the listeners: one per cron worker and gevent process, and one per worker that notifies.
    Every other database stays in transaction mode.

    **When to ignore it.** When OCA bus_alt_connection gives the bus and cron a direct connection of their own.
    """

    def check(pgbouncer: PgBouncer) -> Iterator[Finding]:
        through = [i for i in odoo.instances if i.id in routes.through(pgbouncer.address)]
        listeners = sum(_listeners(i) for i in through)
        mode = mode_of(pgbouncer, MAINTENANCE_DATABASE)
        if mode is None:
            gap = Unavailable(f"pool_mode of {pgbouncer.address}", "SHOW CONFIG did not show it", NAME_THE_CONSOLE)
            raise MissingEvidence(gap)
        if mode == "session" or listeners == 0:
            return
        bus = any(has_gevent(i) for i in through)
        lost = "live chat, notifications and cron triggers" if bus else "cron triggers"
        yield Finding(
            f"database postgres is in {mode} mode at PgBouncer {pgbouncer.address}, where {listeners} sessions of Odoo"
            f" LISTEN: {lost} never arrive, and nothing says so",
            (
                cite(
                    "pool_mode of postgres", mode, f"SHOW POOLS, SHOW DATABASES and SHOW CONFIG of {pgbouncer.address}"
                ),
                cite(
                    "listeners", listeners, "one per cron worker and one for the bus (odoo/service/server.py, bus.py)"
                ),
            ),
            _session_for_postgres(pgbouncer, through),
            subject=f"PgBouncer {pgbouncer.address}",
            severity=None if bus else Severity.WARNING,
        )

    yield from each_pooler(routes, pgbouncers, check)


def _listeners(instance: OdooInstance) -> int:
    return max(0, instance.integer("max_cron_threads")) + (1 if has_gevent(instance) else 0)


def session_pool_size(instances: list[OdooInstance]) -> int:
    """Sessions in which nobody waits: the listeners, and everyone who may notify or list databases meanwhile."""
    size = 1
    for instance in instances:
        cron = max(0, instance.integer("max_cron_threads"))
        requests = max(0, instance.integer("workers")) if is_prefork(instance) else THREADS_AT_ONCE
        web = requests + 1 + GEVENT_AT_ONCE if has_gevent(instance) else 0
        size += 2 * cron + web
    return size


def _session_for_postgres(pgbouncer: PgBouncer, through: list[OdooInstance]) -> Fix:
    size = session_pool_size(through)
    known = entry_of(pgbouncer, MAINTENANCE_DATABASE) or next(iter(pgbouncer.databases), None)
    parameters = {"dbname": MAINTENANCE_DATABASE, "pool_mode": "session", "pool_size": str(size)}
    if known is not None and known.host:
        parameters = {"host": known.host, "port": str(known.port or 5432), **parameters}
    changes: tuple[Change, ...] = (SetPoolDatabase(pgbouncer.address, MAINTENANCE_DATABASE, parameters),)
    return Fix(
        f"give postgres an entry of its own: pool_mode=session pool_size={size}",
        changes,
        f"up to {size} server connections count against max_user_connections; Odoo must reconnect (restart it)"
        " before it listens through the new pool",
    )
