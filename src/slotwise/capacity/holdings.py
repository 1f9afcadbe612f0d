"""What one process of each role holds: LISTEN sessions, pooled connections on its databases, short-lived ones.

Every figure is for one process; slotwise.capacity.demand multiplies and adds. Line numbers are of the public sources of
Odoo 17.0, 18.0 and 19.0 that they name.
"""

from __future__ import annotations

import math

import msgspec

from slotwise.capacity.deployment import OdooHost, Traffic
from slotwise.capacity.figures import Figures, ProcessHolding, fit
from slotwise.capacity.http_worker import kept_per_database

DEEPEST_HTTP_REQUEST = 3
"""Cursors on one database that a single request opens at once: the request's, an RPC call's or a login's own, and mail
sent after the commit (17.0 addons/mail/models/mail_thread.py:3301-3306, 18.0 mail_mail.py:601-606, 19.0 :683-688)."""

CRON_JOB_CURSORS = 3
"""Cursors on its database of one running scheduled action: the job's lock, the job's work and check_signaling
(odoo/addons/base/models/ir_cron.py 17.0:119,321,384; 18.0:132,413,556; 19.0:147,435,608)."""

DEEPEST_CRON_JOB = 4
"""The same when the job opens a cursor of its own (stock scheduler: 17.0 stock_rule.py:595, 18.0:638, 19.0:718)."""

TYPICAL_GEVENT_CURSORS = 5
"""Websocket cursors open at once in ordinary chat and notification traffic. An assumption, not a fact of the source:
the gevent process opens a cursor per notified websocket (addons/bus/websocket.py), so give ``websockets`` if known."""

ASSUMED_CONCURRENT_REQUESTS = 4
"""Requests at once that a threaded server is planned for when nobody says. An assumption; threads are unbounded
(odoo/service/server.py 17.0:171-180, 18.0:179-188, 19.0:227-236)."""


class RoleHolding(msgspec.Struct, frozen=True):
    """One role of one host: how many processes it has and what each of them holds, with where that comes from."""

    role: str
    processes: int
    holding: ProcessHolding
    databases: int
    listen_source: str = ""
    database_source: str = ""
    short_lived_source: str = ""


def prefork(host: OdooHost) -> tuple[RoleHolding, ...]:
    """The roles of ``workers`` >= 1: HTTP workers, cron workers, the gevent process, and in 19 the master."""
    roles = [http_workers(host), cron_workers(host), gevent(host)]
    if host.odoo_version >= 19 and host.preloaded_count:
        roles.append(_respawning_master(host))
    return tuple(roles)


def http_workers(host: OdooHost) -> RoleHolding:
    """HTTP workers connect at their first request and keep one or two connections per database for ten idle minutes."""
    kept = kept_per_database(host)
    seen = host.databases_seen
    per_database: float = kept.count
    source = f"{kept.why}: {kept.source}"
    if host.measured is not None and host.measured.http_per_database is not None:
        per_database, source = host.measured.http_per_database, host.measured.source
    typical = max(seen, math.ceil(per_database * seen))
    deepest = max(DEEPEST_HTTP_REQUEST, math.ceil(per_database))
    peak = max(typical, math.ceil(per_database * (seen - 1)) + deepest) if seen else 0
    return RoleHolding(
        role="http_worker",
        processes=host.workers if host.http_enable else 0,
        holding=fit(
            host.odoo_pool_size,
            listen=0,
            databases=Figures(0, seen, typical, peak, peak),
            short_lived=1,
        ),
        databases=host.database_count,
        database_source=source,
        short_lived_source="bus notification after a commit, list_dbs: addons/bus/models/bus.py 17.0:119-128, "
        "18.0:141-159, 19.0:147-165",
    )


def cron_workers(host: OdooHost) -> RoleHolding:
    """Cron workers: a LISTEN session each from the start, and three connections where a scheduled action runs."""
    holding = fit(
        host.odoo_pool_size, listen=1, databases=_cron_on_databases(host), short_lived=1 if host.database_count else 0
    )
    source = "odoo/addons/base/models/ir_cron.py 17.0:119,321,384; 18.0:132,413,556; 19.0:147,435,608"
    if host.measured is not None and host.measured.cron_per_process is not None:
        source = host.measured.source
    return RoleHolding(
        role="cron_worker",
        processes=host.max_cron_threads,
        holding=holding,
        databases=host.database_count,
        listen_source="LISTEN cron_trigger: odoo/service/server.py 17.0:1237-1246, 18.0:1246-1255, 19.0:1437-1446",
        database_source=source,
        short_lived_source="cron trigger notification: odoo/addons/base/models/ir_cron.py 17.0:529-540, "
        "18.0:701-711, 19.0:720-731",
    )


def _cron_on_databases(host: OdooHost) -> Figures:
    """One cron worker's connections on its databases.

    One database is polled every 60 to 69 s, so its connections never age out. Of several, each is closed after its turn
    (``close_db``, odoo/service/server.py 17.0:1219-1221, 18.0:1228-1230, 19.0:1419-1421); but that misses the two that
    a preloaded registry opened under the master's application_name, so those stay for each database with a recent job.
    """
    count, preloaded = host.database_count, host.preloaded_count
    if count == 0:
        return Figures()
    typical = CRON_JOB_CURSORS
    if count > 1 and preloaded > 1:
        typical = 2 * preloaded + 1
    if host.replica_server is not None and host.odoo_version >= 19:
        typical -= 1  # check_signaling runs readonly, on the replica: odoo/orm/registry.py 19.0:1059
    if host.measured is not None and host.measured.cron_per_process is not None:
        typical = max(1, math.ceil(host.measured.cron_per_process))
    return Figures(0, 1, typical, max(typical + 1, DEEPEST_CRON_JOB), max(typical + 1, DEEPEST_CRON_JOB))


def gevent(host: OdooHost) -> RoleHolding:
    """The one gevent process: nothing until a websocket subscribes, then LISTEN and a cursor per notified websocket."""
    known, used, count = host.websockets, host.websockets_used, host.database_count
    on_databases = Figures()
    brief = 0
    if used:
        most = host.gevent_pool_size if known is None else known
        each = count if known is None else min(known, count)
        typical = max(each, TYPICAL_GEVENT_CURSORS if known is None else min(known, TYPICAL_GEVENT_CURSORS))
        if host.measured is not None and host.measured.gevent_per_process is not None:
            typical = max(1, math.ceil(host.measured.gevent_per_process))
        on_databases = Figures(0, min(1, each), typical, max(most, typical), max(most, typical))
        brief = most
    return RoleHolding(
        role="gevent",
        processes=1 if host.http_enable else 0,
        holding=fit(
            host.gevent_pool_size,
            listen=1 if used else 0,
            listen_at_start=False,  # ImDispatch starts with the first subscription: bus.py 17.0:186-188
            databases=on_databases,
            short_lived=brief,
        ),
        databases=count,
        listen_source="listen imbus: addons/bus/models/bus.py 17.0:203-206, 18.0:232-235, 19.0:238-241",
        database_source="a cursor per notified websocket: addons/bus/websocket.py; odoo_pool db_maxconn_gevent: "
        "odoo/sql_db.py 17.0:795-801, 18.0:842-849, 19.0:807-819",
        short_lived_source="presence notification: addons/bus/models/bus.py 17.0:119-128, 18.0:141-159, 19.0:147-165",
    )


def threaded(host: OdooHost) -> tuple[RoleHolding, ...]:
    """The one process of ``workers = 0``: requests, scheduled actions and websockets share one odoo_pool."""
    pool = host.odoo_pool_size
    databases = host.database_count
    listen = host.max_cron_threads + (1 if host.websockets_used else 0)
    most = _most_threads(host)
    requests = 0
    if host.http_enable and databases:
        wanted = ASSUMED_CONCURRENT_REQUESTS if host.concurrent_requests is None else host.concurrent_requests
        requests = wanted if most is None else min(wanted, most)
    jobs = host.max_cron_threads if databases else 0
    per_request: float = kept_per_database(host).count
    if host.measured is not None and host.measured.http_per_database is not None:
        per_request = host.measured.http_per_database
    beyond_first = max(0, databases - 1)
    typical = max(databases, math.ceil(per_request * requests) + CRON_JOB_CURSORS * jobs + beyond_first)
    if most is None or host.websockets_used:
        peak = pool if databases else 0
    else:
        peak = max(typical, DEEPEST_HTTP_REQUEST * most + DEEPEST_CRON_JOB * jobs + beyond_first)
    return (
        RoleHolding(
            role="threaded",
            processes=1,
            holding=fit(
                pool,
                listen=listen,
                databases=Figures(0, databases, typical, max(typical, peak), max(typical, peak)),
                short_lived=requests + jobs,
            ),
            databases=databases,
            listen_source="LISTEN cron_trigger per cron thread: odoo/service/server.py 17.0:465-475, 18.0:488-490, "
            "19.0:568-571; listen imbus: addons/bus/models/bus.py 17.0:203-206, 18.0:232-235, 19.0:238-241",
            database_source="one thread per request: odoo/service/server.py 17.0:171-180, 18.0:179-188, 19.0:227-236; "
            "odoo_pool: odoo/sql_db.py 17.0:629-689, 18.0:670-731, 19.0:628-692",
            short_lived_source="addons/bus/models/bus.py 17.0:119-128, 18.0:141-159, 19.0:147-165",
        ),
    )


def _most_threads(host: OdooHost) -> int | None:
    """Requests a threaded server serves at once; None when nothing bounds them (``ODOO_MAX_HTTP_THREADS`` unset)."""
    if not host.http_enable:
        return 0
    return host.max_http_threads


def _respawning_master(host: OdooHost) -> RoleHolding:
    """Odoo 19's master opens a cursor on every preloaded registry before each respawn round, then closes them all."""
    opened = min(host.preloaded_count, host.odoo_pool_size)
    return RoleHolding(
        role="master",
        processes=1,
        holding=ProcessHolding(Figures(), Figures(0, 0, 0, opened, opened), Figures()),
        databases=host.preloaded_count,
        database_source="check_registries: odoo/service/server.py 19.0:975-999",
    )


def on_replica(host: OdooHost) -> tuple[RoleHolding, ...]:
    """The second, read-only odoo_pool of every process (18 and 19), which is as large as the first.

    18 goes to the replica only for routes declared readonly, 19 for every request first (odoo/http.py 18.0:1486-1491,
    1877-1886; 19.0:2219-2269).
    """
    if host.replica_server is None or host.odoo_version < 18:
        return ()
    first = host.odoo_version >= 19
    source = "odoo/sql_db.py 18.0:840,848-849, 19.0:804,812-815; odoo/http.py 18.0:1877-1886, 19.0:2219-2269"
    if host.workers == 0:
        seen = host.database_count
        requests = ASSUMED_CONCURRENT_REQUESTS if host.concurrent_requests is None else host.concurrent_requests
        wanted = max(seen, requests) if host.http_enable and seen else 0
        peak = host.odoo_pool_size if wanted else 0
        figures = Figures(0, min(seen, wanted) if first else 0, wanted, max(wanted, peak), max(wanted, peak))
        pools = [("threaded", 1, figures, host.odoo_pool_size)]
    else:
        seen = host.databases_seen
        some = 1 if host.database_count else 0
        http = Figures(0, seen if first else 0, seen, seen + some, seen + some)
        cron = Figures(0, 0, some if first else 0, some, some)
        gevent_process = 1 if host.http_enable else 0
        pools = [
            ("http_worker", host.workers if host.http_enable else 0, http, host.odoo_pool_size),
            ("cron_worker", host.max_cron_threads, cron, host.odoo_pool_size),
            ("gevent", gevent_process, Figures(0, 0, 0, some, some), host.gevent_pool_size),
        ]
    count = host.database_count
    return tuple(
        RoleHolding(role, processes, fit(pool, listen=0, databases=wanted, short_lived=0), count, "", source)
        for role, processes, wanted, pool in pools
    )


def per_process_rule(host: OdooHost) -> str:
    """One sentence: how many connections an HTTP worker of this host keeps per database, and why."""
    kept = kept_per_database(host)
    kind = "stateless RPC" if host.traffic is Traffic.RPC else "business traffic"
    return f"{kept.count} per database under {kind}: {kept.why}"
