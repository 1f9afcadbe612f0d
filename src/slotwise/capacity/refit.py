"""Searches the odoo.conf settings that make an observed installation fit: pools first, then workers."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct, structs

from slotwise.capacity.deployment import OdooHost
from slotwise.capacity.figures import Figures
from slotwise.capacity.from_snapshot import InstallationDemand, demand_of
from slotwise.capacity.holdings import DEEPEST_CRON_JOB
from slotwise.capacity.planned_instance import PlannedInstance

POOL_STEPS = (64, 48, 32, 24, 16, 12, 8)
"""Sizes that are tried for ``db_maxconn`` and ``db_maxconn_gevent``; 8 is safely above what one process needs."""

PLENTY, PLENTY_FOR_GEVENT = 16, 32
"""Connections beyond which an HTTP or cron worker, and the gevent process, gain nothing in ordinary work."""

THREADED_REQUESTS = 4
FEWEST_WORKERS = 2
WORKER_STEPS = 20

CURSORS_PER_DATABASE = 2
LARGEST_FOR_DATABASES = 48
"""A smaller odoo_pool than two connections per database in use makes a worker close and reopen them all the time."""

Goal = Callable[[Figures], bool]


class Wanted(Struct, frozen=True):
    """A goal for the demand, and whether fewer HTTP workers may be proposed to reach it."""

    goal: Goal
    fewer_workers: bool


class Resized(Struct, frozen=True):
    """New settings of one instance; None leaves a setting as it is."""

    instance: str
    workers: int | None
    db_maxconn: int | None
    db_maxconn_gevent: int | None


class Refit(Struct, frozen=True):
    """Settings under which the demand reaches the goal, and the demand that they make."""

    resized: tuple[Resized, ...]
    figures: Figures


def refit(demand: InstallationDemand, goals: tuple[Wanted, ...]) -> Refit | None:
    """The settings that reach the first of ``goals`` that can be reached, strictest first.

    For each goal smaller odoo_pools are tried, largest first, then fewer HTTP workers where the goal allows it: down to
    half. At last, for the last goal, pools that are smaller than the databases in use, and workers down to two. None
    where nothing reaches any goal or no instance connects directly.
    """
    if not demand.direct:
        return None
    for wanted in goals:
        found = _best(demand, wanted.goal, 1.0, False)
        if found is None and wanted.fewer_workers:
            found = _fewer_workers(demand, wanted.goal, 0.5, False)
        if found is not None:
            return found
    last = goals[-1]
    found = _best(demand, last.goal, 1.0, True)
    return _fewer_workers(demand, last.goal, 0.0, True) if found is None and last.fewer_workers else found


def smallest(demand: InstallationDemand) -> Refit | None:
    """The settings with the smallest odoo_pools that no process starves in, workers unchanged. None where they are in
    force already, or no instance connects directly."""
    if not demand.direct:
        return None
    found = _applied(demand, 1.0, POOL_STEPS[-1], POOL_STEPS[-1], False)
    return found if any(r.db_maxconn or r.db_maxconn_gevent for r in found.resized) else None


def _fewer_workers(demand: InstallationDemand, goal: Goal, least: float, tight: bool) -> Refit | None:
    for step in range(WORKER_STEPS - 1, -1, -1):
        share = step / WORKER_STEPS
        if share < least:
            return None
        found = _best(demand, goal, share, tight)
        if found is not None:
            return found
    return None


def _best(demand: InstallationDemand, goal: Goal, share: float, tight: bool) -> Refit | None:
    """The roomiest pools that reach the goal, each at least as large for gevent as for the workers."""
    pairs = [(pool, gevent) for pool in POOL_STEPS for gevent in POOL_STEPS if pool <= gevent]
    pairs.sort(key=_worth)
    if not goal(_applied(demand, share, *pairs[0], tight).figures):
        return None  # the smallest pools do not reach it, so no larger ones do
    return next(f for p in reversed(pairs) if goal((f := _applied(demand, share, *p, tight)).figures))


def _worth(pair: tuple[int, int]) -> tuple[float, int, int]:
    """More than 16 for a worker and 32 for gevent is worth nothing as long as the other has less."""
    pool, gevent = pair
    return min(pool, PLENTY) / PLENTY + min(gevent, PLENTY_FOR_GEVENT) / PLENTY_FOR_GEVENT, pool, gevent


def _applied(demand: InstallationDemand, share: float, pool: int, gevent: int, tight: bool) -> Refit:
    resized = tuple(_resized(planned, share, pool, gevent, tight) for planned in demand.direct)
    likely = tuple(_with(p.likely, r) for p, r in zip(demand.direct, resized, strict=True))
    most = tuple(_with(p.most, r) for p, r in zip(demand.direct, resized, strict=True))
    others = demand.others or 0
    after = structs.replace(demand, likely=demand_of(likely, others), most=demand_of(most, others))
    return Refit(resized, after.figures)


def _resized(planned: PlannedInstance, share: float, pool: int, gevent: int, tight: bool) -> Resized:
    host = planned.likely
    enough = min(LARGEST_FOR_DATABASES, CURSORS_PER_DATABASE * host.databases_seen + CURSORS_PER_DATABASE)
    pool = pool if tight else max(pool, enough)
    gevent = max(gevent, pool)
    if host.workers == 0:
        floor = (DEEPEST_CRON_JOB + 2) * host.max_cron_threads + 2 * THREADED_REQUESTS
        size = max(floor, pool)
        return Resized(planned.instance, None, size if size < host.db_maxconn else None, None)
    workers = max(min(FEWEST_WORKERS, host.workers), int(host.workers * share))
    small = pool < host.db_maxconn
    on_gevent = min(gevent, host.gevent_pool_size)
    stays = on_gevent == host.gevent_pool_size and (host.db_maxconn_gevent is not None or not small)
    return Resized(
        planned.instance,
        workers if workers < host.workers else None,
        pool if small else None,
        None if stays or not host.http_enable else on_gevent,
    )


def _with(host: OdooHost, resized: Resized) -> OdooHost:
    return structs.replace(
        host,
        workers=host.workers if resized.workers is None else resized.workers,
        db_maxconn=host.db_maxconn if resized.db_maxconn is None else resized.db_maxconn,
        db_maxconn_gevent=host.db_maxconn_gevent if resized.db_maxconn_gevent is None else resized.db_maxconn_gevent,
    )
