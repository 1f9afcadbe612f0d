"""SW108 threaded-in-production."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from slotwise.capacity.from_snapshot import InstallationDemand, demand_of
from slotwise.capacity.headroom import DEFAULT_HEADROOM_RATIO
from slotwise.capacity.supply import Supply
from slotwise.findings import Evidence, Finding, Fix, Manual, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite, cite_option
from slotwise.rules.instances import each_instance, is_prefork, set_option
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.processes import Host
from slotwise.snapshot.session_kinds import NEVER_POOLED

MANY_AT_ONCE = 10
"""Pooled connections of one threaded process that only several concurrent requests explain: two scheduled actions take
three each."""

WORKERS_PER_CORE = 2
ADVISED_POOL, ADVISED_GEVENT = 16, 32
WORKER_BYTES = 325 * 1024 * 1024
"""Mean of an Odoo worker: 80 % light at 150 MB, 20 % heavy at 1 GB (Odoo documentation, System configuration)."""


@rule("SW108", Severity.WARNING)
def threaded_in_production(
    odoo: Odoo,
    sessions: Sessions | None,
    machine: Host | None,
    demand: InstallationDemand | None,
    supply: Supply | None,
) -> Iterator[Finding]:
    """One threaded Odoo process serves production: every request takes a thread and a connection of the same pool.

    **Why it matters.** With `workers = 0` a thread is started for each request and nothing bounds them
    (odoo/service/server.py 17.0:171-180, 18.0:179-188, 19.0:227-236). They share one odoo_pool with the cron threads
    and the websockets, and when it is full Odoo raises `The Connection Pool Is Full` instead of queueing. All of it
    runs on about one core, and in 17 and 18 a cron thread whose LISTEN session breaks stays dead until the next start
    (17.0:480, 18.0:474).

    **Evidence.** `workers = 0` together with a sign of production: `proxy_mode`, or 10 and more pooled connections of
    the threaded process, which only concurrent requests explain. A development server (`dev_mode`, tests, neither sign)
    is left alone.

    **Fix.** Prefork with two HTTP workers a core as far as memory and slots allow; `db_maxconn` and
    `db_maxconn_gevent` with it. Websockets then need the proxy to send /websocket to `gevent_port`. Where prefork is
    not possible (Windows), bound the threads with the environment variable ODOO_MAX_HTTP_THREADS.

    **When to ignore it.** On a development or test server, or for a handful of users.
    """

    def check(instance: OdooInstance) -> Iterator[Finding]:
        if is_prefork(instance) or _develops(instance):
            return
        busy = _busy(instance, sessions)
        proxied = instance.value("proxy_mode") is True
        if not proxied and len(busy) < MANY_AT_ONCE:
            return
        evidence: list[Evidence] = [cite_option(instance, "workers"), cite_option(instance, "proxy_mode")]
        seen = ""
        if sessions is not None and busy:
            evidence.append(cite("pooled connections", len(busy), sessions.source))
            seen = f", {len(busy)} pooled connections are held by its one process"
        sign = "behind a proxy (proxy_mode)" if proxied else "under concurrent requests"
        fix = _prefork(instance, machine, demand, supply)
        yield Finding(f"workers = 0 {sign}{seen}", tuple(evidence), fix, subject=instance.id)

    yield from each_instance(odoo, check)


def _develops(instance: OdooInstance) -> bool:
    modes = {m for m in str(instance.value("dev_mode") or "").split(",") if m} - {"replica"}
    return bool(modes) or bool(instance.value("test_enable"))


def _busy(instance: OdooInstance, sessions: Sessions | None) -> list[int]:
    held = sessions.held if sessions is not None else ()
    return [
        h.backend.pid
        for h in held
        if h.owner.instance == instance.id and h.owner.role == "threaded" and h.backend.database not in NEVER_POOLED
    ]


def _prefork(
    instance: OdooInstance, machine: Host | None, demand: InstallationDemand | None, supply: Supply | None
) -> Fix:
    risk = "the proxy must send /websocket to gevent_port, which prefork serves apart from http_port"
    workers = _workers(instance, machine, demand, supply) if machine is not None else None
    if machine is None or workers is None:
        step = Manual(
            "set workers to two a core, as far as memory and slots allow (slotwise plan); until then bound the threads"
            " with ODOO_MAX_HTTP_THREADS in Odoo's environment"
        )
        return Fix("run prefork workers: how many, the machine or the slots do not show", (step,), risk)
    changes = set_option(instance, "workers", workers)
    changes += set_option(instance, "db_maxconn", ADVISED_POOL)
    changes += set_option(instance, "db_maxconn_gevent", ADVISED_GEVENT)
    return Fix(
        f"run prefork with workers = {workers}, db_maxconn = {ADVISED_POOL} and db_maxconn_gevent = {ADVISED_GEVENT}"
        f" ({machine.cores:g} cores, {machine.memory_bytes / 1024**3:.1f} GiB)",
        changes,
        risk,
    )


def _workers(
    instance: OdooInstance, machine: Host | None, demand: InstallationDemand | None, supply: Supply | None
) -> int | None:
    """Workers that cores, memory and slots bear; None where the slots are unknown or leave fewer than two."""
    planned = next((p for p in demand.instances if p.instance == instance.id), None) if demand is not None else None
    if machine is None or planned is None or demand is None or supply is None or supply.usable is None:
        return None
    memory = min(machine.memory_bytes, machine.memory_limit_bytes or machine.memory_bytes)
    most = min(int(WORKERS_PER_CORE * machine.cores), int(memory // 2 // WORKER_BYTES))
    now = demand_of((planned.likely,), 0).typical
    rest = demand.figures.typical - now if planned.route.kind == "direct" else 0
    budget = int(supply.usable * (1 - DEFAULT_HEADROOM_RATIO)) - rest
    for workers in range(max(2, most), 1, -1):
        host = structs.replace(
            planned.likely, workers=workers, db_maxconn=ADVISED_POOL, db_maxconn_gevent=ADVISED_GEVENT
        )
        if planned.route.kind != "direct" or demand_of((host,), 0).typical <= budget:
            return workers
    return None
