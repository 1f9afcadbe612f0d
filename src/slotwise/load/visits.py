"""The scenario of a test of connections, and what each of its users does: the same seed, the same visits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Literal

from msgspec import Struct

from slotwise.errors import OperatorError

Shape = Literal["constant", "exponential", "lognormal"]
RequestKind = Literal["page", "rpc"]

_LOGNORMAL_SPREAD = 0.5
"""Standard deviation over mean of a ``lognormal`` duration: an assumption, between constant and exponential."""


class Duration(Struct, frozen=True):
    """How long something takes: its mean in seconds and how it is spread around it."""

    mean_seconds: float
    shape: Shape = "constant"

    def draw(self, random: Random) -> float:
        """One such time in seconds."""
        if self.mean_seconds <= 0:
            return 0.0
        if self.shape == "exponential":
            return random.expovariate(1 / self.mean_seconds)
        if self.shape == "lognormal":
            variance = math.log(1 + _LOGNORMAL_SPREAD**2)
            return random.lognormvariate(math.log(self.mean_seconds) - variance / 2, math.sqrt(variance))
        return self.mean_seconds


def duration(text: str) -> Duration:
    """``0.1``, ``0.1s``, ``100ms``, each also with ``:exponential`` or another shape. Raises OperatorError."""
    number, _, shape = text.partition(":")
    unit = 0.001 if number.endswith("ms") else 1.0
    try:
        seconds = float(number.removesuffix("ms").removesuffix("s")) * unit
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf or shape not in ("", "constant", "exponential", "lognormal"):
        raise OperatorError(f"{text!r} is no duration", "write 100ms, 0.1 or 100ms:exponential (constant, lognormal)")
    return Duration(seconds, shape or "constant")  # type: ignore[arg-type]


class Scenario(Struct, frozen=True, kw_only=True):
    """Odoo hosts as far as their connections go, and what their users do.

    ``hosts`` equal hosts of ``workers`` HTTP processes each. ``service`` is how long a request holds its connection,
    ``think`` how long a user pauses before the next one. ``action`` is how long a scheduled action runs, one in each
    cron worker every ``action_every_seconds``. ``leak_every``: one cursor is forgotten in each so many requests (of one
    process), to rehearse a leak; 0 never.
    """

    databases: tuple[str, ...]
    odoo_version: Literal[17, 18, 19] = 18
    hosts: int = 1
    workers: int = 4
    max_cron_threads: int = 1
    db_maxconn: int = 64
    service: Duration = Duration(0.1)
    think: Duration = Duration(1.0, "exponential")
    rpc_ratio: float = 0.0
    action: Duration | None = None
    action_every_seconds: float = 10.0
    websockets: int = 0
    delivery_every_seconds: float = 2.0
    leak_every: int = 0
    seed: int = 1

    @property
    def servers(self) -> int:
        """Requests that the HTTP workers serve at once."""
        return self.hosts * self.workers


class Visit(Struct, frozen=True):
    """One request of one user: after a pause of ``think_seconds`` it holds a worker for ``service_seconds``."""

    think_seconds: float
    database: str
    kind: RequestKind
    service_seconds: float


def visits(scenario: Scenario, user: int) -> Iterator[Visit]:
    """What the user with this number does, without end. It depends on the seed and the number only."""
    random = Random(f"{scenario.seed}/{user}")
    # Users do not begin in step: the first pause is a part of one.
    first = random.random()
    while True:
        pause = scenario.think.draw(random) * first
        first = 1.0
        database = random.choice(scenario.databases)
        kind: RequestKind = "rpc" if random.random() < scenario.rpc_ratio else "page"
        yield Visit(pause, database, kind, scenario.service.draw(random))
