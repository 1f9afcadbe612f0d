"""The pool's limit: a request that finds no free server connection must wait and then be served."""

from __future__ import annotations

import time
from contextlib import ExitStack

from slotwise.collectors.path_client import BEGIN, NoAnswer, PathClient, PathRefused
from slotwise.collectors.path_under_test import Path
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="pool-limit",
    needed_by="odoo",
    fine="requests beyond the pool's size wait for their turn and are served",
    loss="at busy moments users read an error, or wait until their worker is killed",
)

AT_ONCE = 6
NOTICED_SECONDS = 1.5
SERVED_SECONDS = 5.0


def probe(path: Path) -> Observation:
    """Several transactions at once (with ``exhaust`` one more than the pool has); the first that has to wait is served
    as soon as another ends. Nothing is held longer than that takes."""
    wanted = AT_ONCE
    if path.load.exhaust and path.pool.pool_size is not None and path.through_pooler:
        wanted = path.pool.pool_size + (path.pool.reserve_pool or 0) + 1
    wanted = min(wanted, path.allowance.at_once - path.allowance.open)
    if wanted < 2:
        return Observation(None, reason="verify may not open two connections at once here")
    seen = list(_known(path))
    with ExitStack() as opened:
        holding: list[PathClient] = []
        for _ in range(wanted):
            try:
                client = opened.enter_context(path.client())
                client.send(f"{BEGIN}; SELECT 1")
                client.answer(NOTICED_SECONDS)
            except NoAnswer:
                return _waiting(client, holding, seen)
            except PathRefused as error:
                seen += [Seen("served at once", len(holding)), Seen("the next one", error.failure.text)]
                return Observation(False, tuple(seen), remedy=error.failure.remedy)
            holding.append(client)
        for client in holding:
            client.run("ROLLBACK")
    seen += [Seen("transactions at once", wanted), Seen("that had to wait", 0)]
    return Observation(True, tuple(seen))


def _waiting(client: PathClient, holding: list[PathClient], seen: list[Seen]) -> Observation:
    """One has to wait. It must be served when another one ends."""
    seen.append(Seen("served at once", len(holding)))
    if not holding:
        return Observation(None, tuple(seen), "the pool is busy: not even one transaction was served at once")
    freed = time.monotonic()
    holding.pop(0).run("ROLLBACK")
    try:
        client.answer(SERVED_SECONDS)
    except NoAnswer:
        seen.append(Seen("the next one", f"still waits {SERVED_SECONDS:.0f} s after another has ended"))
        return Observation(None, tuple(seen), "others may have been before it in the queue: the pool is busy")
    except PathRefused as error:
        seen.append(Seen("the next one", error.failure.text))
        return Observation(False, tuple(seen))
    seen.append(Seen("the next one served seconds after another ended", round(time.monotonic() - freed, 3)))
    for one in (*holding, client):
        one.run("ROLLBACK")
    return Observation(True, tuple(seen))


def _known(path: Path) -> tuple[Seen, ...]:
    pool = path.pool
    facts = (
        Seen("pool mode", pool.pool_mode),
        Seen("pool size", pool.pool_size),
        Seen("query_wait_timeout seconds", pool.query_wait_timeout_seconds),
    )
    return tuple(fact for fact in facts if fact.value is not None)
