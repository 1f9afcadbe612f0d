"""A closed system on a simulated clock: users think, queue for a worker, queue for a slot, are served, think again.

It is what a load test of connections drives, without the processes: a test of the analysis that costs milliseconds.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from random import Random

from msgspec import Struct

Draw = Callable[[Random], float]
"""A time in seconds, drawn."""


class ClosedSystem(Struct, frozen=True, kw_only=True):
    """``workers`` serve one request each; each needs one of ``slots`` while it does. Times are drawn in seconds."""

    workers: int
    slots: int
    service: Draw
    think: Draw
    overhead_seconds: float = 0.0
    """What a worker spends on a request outside its slot."""


class Run(Struct, frozen=True):
    """Response times (wish to answer) and slot waits after the warm-up, in the order of their end, in seconds."""

    seconds: float
    response_seconds: list[float]
    wait_seconds: list[float]


def run(system: ClosedSystem, users: int, seconds: float, warm_up_seconds: float, seed: int) -> Run:
    """Simulate ``users`` for ``warm_up_seconds`` and then for ``seconds``. The same arguments, the same run."""
    random = Random(seed)
    end = warm_up_seconds + seconds
    order = 0
    free_workers, free_slots = system.workers, system.slots
    for_worker: deque[float] = deque()
    for_slot: deque[tuple[float, float]] = deque()
    responses: list[float] = []
    waits: list[float] = []
    events: list[tuple[float, int, float, float]] = []

    def later(at: float, wished: float, slot_wait: float) -> None:
        nonlocal order
        order += 1
        heapq.heappush(events, (at, order, wished, slot_wait))

    def serve(now: float) -> None:
        nonlocal free_workers, free_slots
        while for_worker and free_workers:
            free_workers -= 1
            for_slot.append((for_worker.popleft(), now))
        while for_slot and free_slots:
            free_slots -= 1
            wished, asked = for_slot.popleft()
            later(now + system.overhead_seconds + system.service(random), wished, now - asked)

    for _ in range(users):
        # Negative wish: the end of a pause.
        later(system.think(random) * random.random(), -1.0, 0.0)
    while events:
        now, _, wished, slot_wait = heapq.heappop(events)
        if now > end:
            break
        if wished < 0:
            for_worker.append(now)
        else:
            free_workers += 1
            free_slots += 1
            if now > warm_up_seconds:
                responses.append(now - wished)
                waits.append(slot_wait)
            later(now + system.think(random), -1.0, 0.0)
        serve(now)
    return Run(seconds, responses, waits)
