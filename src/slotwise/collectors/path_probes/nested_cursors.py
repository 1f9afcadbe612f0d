"""Nested cursors: a request or a scheduled action holds one transaction open while it waits for the next."""

from __future__ import annotations

from contextlib import ExitStack

from slotwise.collectors.path_client import BEGIN, NoAnswer
from slotwise.collectors.path_under_test import Path, PoolFacts
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="nested-cursors",
    needed_by="odoo",
    fine="a request and a scheduled action get every connection that they need at once",
    loss="workers wait for each other's connections: requests and scheduled actions hang until the pooler gives up,"
    " then fail with `server closed the connection unexpectedly`",
)

DEPTH = 3
"""A scheduled action: cron_cr, job_cr and check_signaling's cursor at once (odoo/addons/base/models/ir_cron.py,
17.0:119, 321, 384; 18.0:132, 413, 556; 19.0:147, 435, 608)."""

PATIENCE_SECONDS = 5.0


def probe(path: Path) -> Observation:
    """As many transactions at once as one scheduled action needs, then a notification's connection on ``postgres``
    beside them; with ``exhaust`` as many as all workers together may hold. The pool's size, where it can be seen, is
    compared with what keeps the configured workers from waiting for each other."""
    floor = path.load.deadlock_floor
    wanted = max(DEPTH, floor or 0) if path.load.exhaust else DEPTH
    served = 0
    for _ in range(2):  # a busy pool may be late once
        served, beside = _nest(path, wanted)
        if served == wanted:
            break
    seen = [Seen("transactions wanted at once", wanted), Seen("transactions served", served)]
    if served < wanted:
        return Observation(False, tuple(seen), remedy="raise the pool size of this database in the pooler")
    seen.append(Seen("connection on postgres beside them", beside))
    if not beside:
        return Observation(False, tuple(seen), remedy="raise pool_size of the entry postgres in the pooler")
    return _compared_with_pool(path, floor, wanted, seen)


def _nest(path: Path, wanted: int) -> tuple[int, bool]:
    with ExitStack() as opened:
        clients = []
        for number in range(wanted):
            client = opened.enter_context(path.client())
            try:
                client.run(f"{BEGIN}; SELECT 1", PATIENCE_SECONDS)
            except NoAnswer:
                return number, False
            clients.append(client)
        try:
            notifier = opened.enter_context(path.maintenance_client())
            notifier.run(f"{BEGIN}; SELECT 1", PATIENCE_SECONDS)
            notifier.run("ROLLBACK")
        except NoAnswer:
            return wanted, False
        for client in clients:
            client.run("ROLLBACK")
        return wanted, True


def _compared_with_pool(path: Path, floor: int | None, tried: int, seen: list[Seen]) -> Observation:
    size = _size(path.pool)
    if floor is not None:
        seen.append(Seen("workers", path.load.workers))
        seen.append(Seen("max_cron_threads", path.load.max_cron_threads))
        seen.append(Seen("smallest pool that cannot deadlock", floor))
    if size is not None:
        seen.append(Seen("pool size", size))
    if floor is None or not path.through_pooler or tried >= floor:
        return Observation(True, tuple(seen))
    if size is None:
        return Observation(
            None,
            tuple(seen),
            reason="one scheduled action's connections are served; the size of the pool is not visible",
            remedy="give --pgbouncer DSN of the admin console, or --exhaust on a staging system",
        )
    if size == 0 or size >= floor:
        return Observation(True, tuple(seen))
    return Observation(False, tuple(seen), remedy=f"set the pool size of {path.database} to {floor} or more")


def _size(pool: PoolFacts) -> int | None:
    """Server connections that the pool may have; 0 means no limit (PgBouncer 1.24 and later)."""
    return pool.pool_size
