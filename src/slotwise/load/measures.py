"""What a load test measures: one Step for each number of users that was tried."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from msgspec import Struct

BLOCKS = 20
"""Blocks that the requests of a step are cut into, in the order of their ends; the bootstrap draws from them."""


class Percentiles(Struct, frozen=True, kw_only=True):
    """How a time is spread, in seconds. ``count`` is how many were measured."""

    count: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    most: float


class Block(Struct, frozen=True):
    """Some consecutive requests of a step: how many, and their mean response time in seconds."""

    completed: int
    mean_seconds: float


class PoolWait(Struct, frozen=True, kw_only=True):
    """The worst that SHOW POOLS showed of one pool during a step: clients in the queue, and the longest wait."""

    address: str
    database: str
    user: str
    most_waiting: int
    most_servers: int
    longest_wait_seconds: float


class ProcessSlots(Struct, frozen=True, kw_only=True):
    """Slots that one process held at the last look of a step. ``pid`` is None where the process is not visible."""

    role: str
    pid: int | None
    slots: int


class Slots(Struct, frozen=True, kw_only=True):
    """The slots during a step, as the fullest look showed them. ``by_role``: who held them; ``at_end``: the processes
    at the last look, for leaks. None: nobody could count, and ``gap`` says why."""

    used: int | None = None
    usable: int | None = None
    max_connections: int | None = None
    by_role: dict[str, int] = {}
    at_end: tuple[ProcessSlots, ...] = ()
    pools: tuple[PoolWait, ...] = ()
    looks: int = 0
    gap: str | None = None


class Refused(Struct, frozen=True, kw_only=True):
    """Requests that one wall refused to one role, with the words of the first. ``wall`` is a value of walls.Wall, or
    ``error`` for a failure that is no wall."""

    wall: str
    role: str
    count: int
    words: str


class Step(Struct, frozen=True, kw_only=True):
    """``users`` at once for ``seconds`` (the warm-up is left out).

    ``throughput_per_second`` counts requests that succeeded. ``latency`` is from the wish to the end of the answer,
    ``slot_wait`` from a worker's asking to its connection (None where the generator cannot see it).
    ``lateness_p95_seconds`` is how late the generator itself did what was due, ``generator_cpu_ratio`` its share of one
    core; None: not measured.
    """

    users: int
    seconds: float
    completed: int
    throughput_per_second: float
    latency: Percentiles | None
    blocks: tuple[Block, ...]
    think_seconds: float
    slot_wait: Percentiles | None = None
    refused: tuple[Refused, ...] = ()
    slots: Slots = Slots(gap="nobody looked")
    lateness_p95_seconds: float | None = None
    generator_cpu_ratio: float | None = None
    by_name: dict[str, Percentiles] = {}

    @property
    def failed(self) -> int:
        """Requests that were refused or failed."""
        return sum(one.count for one in self.refused)

    @property
    def failed_ratio(self) -> float:
        """Their share of all requests; 0 where there were none."""
        total = self.completed + self.failed
        return self.failed / total if total else 0.0


def percentiles(seconds: Sequence[float]) -> Percentiles | None:
    """The spread of these times (nearest rank); None of none."""
    if not seconds:
        return None
    ranked = sorted(seconds)

    def rank(share: float) -> float:
        return ranked[min(len(ranked) - 1, max(0, math.ceil(share * len(ranked)) - 1))]

    return Percentiles(
        count=len(ranked),
        mean=math.fsum(ranked) / len(ranked),
        p50=rank(0.5),
        p90=rank(0.9),
        p95=rank(0.95),
        p99=rank(0.99),
        most=ranked[-1],
    )


def blocks_of(seconds: Sequence[float]) -> tuple[Block, ...]:
    """Cut response times, in the order of their ends, into at most BLOCKS blocks of nearly equal length."""
    count = min(BLOCKS, len(seconds))
    edges = [round(at * len(seconds) / count) for at in range(count + 1)] if count else []
    parts = [seconds[start:end] for start, end in itertools.pairwise(edges)]
    return tuple(Block(len(part), math.fsum(part) / len(part)) for part in parts)


def step_of(users: int, seconds: float, response_seconds: Sequence[float], think_seconds: float) -> Step:
    """A Step of what a generator has measured: response times of the requests that succeeded, in order of their end."""
    return Step(
        users=users,
        seconds=seconds,
        completed=len(response_seconds),
        throughput_per_second=len(response_seconds) / seconds if seconds > 0 else 0.0,
        latency=percentiles(response_seconds),
        blocks=blocks_of(response_seconds),
        think_seconds=think_seconds,
    )
