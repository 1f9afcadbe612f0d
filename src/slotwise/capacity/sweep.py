"""Demand over a range of workers or databases, and waits over a range of pool sizes: what the plots draw."""

from __future__ import annotations

from msgspec.structs import replace

from slotwise.capacity import queueing
from slotwise.capacity.demand import demand_figures
from slotwise.capacity.deployment import Deployment, OdooHost
from slotwise.capacity.guide import guide
from slotwise.capacity.plan import Alternative
from slotwise.capacity.planner import Terms
from slotwise.capacity.pooling import PoolSizing, size_pools
from slotwise.capacity.report import Sweep, SweepPoint, WaitPoint

POINTS = 25
MANY_HOSTS = 200
"""Different hosts above which only workers are varied: a plan stays instant."""

PLENTY_OF_SLOTS = 100_000


def sweeps(deployment: Deployment, server: str, terms: Terms) -> tuple[Sweep, ...]:
    """Demand on ``server`` with one to twice as many workers, and one to twice as many databases.

    Hosts that differ keep their proportion, so that the line passes through the plan where it stands now.
    """
    found = []
    workers = max((host.workers for host in deployment.hosts), default=0)
    if workers:
        found.append(_sweep(deployment, server, "workers", workers, max(16, 2 * workers)))
    if len(deployment.hosts) > MANY_HOSTS:
        return tuple(found)
    databases = max((host.database_count for host in deployment.hosts), default=0)
    found.append(_sweep(deployment, server, "databases", databases, max(10, 2 * databases)))
    return tuple(found)


def _sweep(deployment: Deployment, server: str, field: str, now: int, most: int) -> Sweep:
    # A fleet of many different hosts gets a coarser line, so that a plan stays instant.
    step = max(1, most // max(3, min(POINTS, 2000 // (1 + len(deployment.hosts)))))
    xs = sorted({*range(1, most + 1, step), max(1, now), most})
    points = []
    for x in xs:
        hosts = tuple(_with(host, field, x, now) for host in deployment.hosts)
        wanted = demand_figures(replace(deployment, hosts=hosts), server)
        formula = guide(tuple(host for host in hosts if host.server == server))
        points.append(SweepPoint(x, wanted.steady, wanted.typical, wanted.peak, formula))
    return Sweep(field, now, tuple(points))


def _with(host: OdooHost, field: str, x: int, now: int) -> OdooHost:
    """The host at ``x`` of the field, in the proportion that it has now to the host with the most of it."""
    if field == "workers":
        return replace(host, workers=_scaled(host.workers, x, now)) if host.workers else host
    count = _scaled(host.database_count, x, now)
    per_worker = None if host.databases_per_worker is None else min(host.databases_per_worker, count)
    preloaded = min(host.preloaded_count, count)
    if count == host.database_count:
        return host
    return replace(host, databases=count, preloaded=preloaded, databases_per_worker=per_worker)


def _scaled(value: int, x: int, now: int) -> int:
    return x if value == now else max(1, round(value * x / max(1, now)))


def waits(best: Alternative, terms: Terms) -> tuple[WaitPoint, ...]:
    """Wait for a server connection at pool sizes from one to the number of processes."""
    sizing: PoolSizing = best.pooling or size_pools(best.hosts, PLENTY_OF_SLOTS, 0, best.ceiling, terms.workload, None)
    clients = sizing.clients
    pause = queueing.think_seconds(clients, sizing.transactions_per_second, sizing.transaction_seconds)
    step = max(1, clients // POINTS)
    sizes = sorted({*range(1, clients + 1, step), sizing.pools.default_pool_size})
    points = []
    for slots in sizes:
        finite = queueing.wait_finite(slots, clients, sizing.transaction_seconds, pause)
        endless = queueing.wait_open(slots, sizing.transactions_per_second, sizing.transaction_seconds)
        points.append(WaitPoint(slots, finite.p50_seconds, finite.p95_seconds, finite.p99_seconds, endless.p99_seconds))
    return tuple(points)
