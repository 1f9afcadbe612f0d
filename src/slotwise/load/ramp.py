"""How many users to try next, and when to stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from slotwise.errors import OperatorError
from slotwise.load.knee import knee
from slotwise.load.measures import Step

Reason = Literal[
    "goal", "saturated", "errors", "time", "users", "connections", "rate", "reserve", "steps", "interrupted"
]

BEYOND_KNEE_RATIO = 2.2
"""The ceiling is known well once so many times the knee's users have been tried: what the fit needs."""
MOST_FAILED_RATIO = 0.01
FEWEST_FAILED = 3
"""A single refusal during a step, a recycled worker's for instance, does not end the test."""


class Goal(Struct, frozen=True, kw_only=True):
    """What the operator wants to know: so many users, so many requests a second, at most so long a p95. None: any."""

    users: int | None = None
    per_second: float | None = None
    p95_seconds: float | None = None

    @property
    def words(self) -> str:
        """In the form that ``goal`` reads."""
        named = [("users", self.users), ("rate", self.per_second), ("p95", self.p95_seconds)]
        return ",".join(f"{name}={value:g}" for name, value in named if value is not None)


def goal(text: str) -> Goal:
    """Read ``users=200,p95=0.5`` or ``rate=50``. Raises OperatorError."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        try:
            found[name] = float(value.removesuffix("s"))
        except ValueError:
            found[name] = -1.0
        if name not in ("users", "rate", "p95") or not 0 < found[name] < 1e9:
            raise OperatorError(
                f"--goal {text}: {part.strip()!r} is not understood", "write users=200,p95=0.5 or rate=50"
            )
    users = found.get("users")
    return Goal(
        users=None if users is None else round(users), per_second=found.get("rate"), p95_seconds=found.get("p95")
    )


class Limits(Struct, frozen=True, kw_only=True):
    """The bounds of one test. ``seconds`` for everything together; ``slots`` of the server in use by everybody."""

    seconds: float = 120.0
    step_seconds: float = 5.0
    users: int = 500
    per_second: float = 500.0
    slots: int | None = None
    growth: float = 1.5
    steps: tuple[int, ...] = ()
    """The numbers of users to try, instead of a ramp that finds its own."""


class Stop(Struct, frozen=True):
    """Why no further step is made, as a word for programs and a sentence for people."""

    reason: Reason
    words: str


def next_users(
    steps: Sequence[Step],
    limits: Limits,
    wanted: Goal,
    elapsed_seconds: float,
    next_step_seconds: float,
    think_seconds: float = 0.0,
) -> int | Stop:
    """The users of the next step, or why there is none. ``next_step_seconds`` is its length, warm-up included;
    ``think_seconds`` the mean pause of a user."""
    stop = _ended(steps, limits, wanted)
    if stop is not None:
        return stop
    if elapsed_seconds + next_step_seconds > limits.seconds:
        return Stop("time", f"the next step would go beyond {limits.seconds:g} s (--duration)")
    if limits.steps:
        if len(steps) >= len(limits.steps):
            return Stop("steps", "every step that was asked for has been made")
        return _within_rate(min(limits.steps[len(steps)], limits.users), steps, limits, think_seconds)
    if not steps:
        return 1
    last = steps[-1].users
    if last >= limits.users:
        return Stop("users", f"{limits.users} users were tried (--max-users)")
    users = min(max(last + 1, round(last * limits.growth)), limits.users)
    if wanted.users is not None and last < wanted.users:
        users = min(users, wanted.users)
    return _within_rate(users, steps, limits, think_seconds)


def _within_rate(users: int, steps: Sequence[Step], limits: Limits, think_seconds: float) -> int | Stop:
    """No more users than can ask at the highest rate: each asks once in a pause and the quickest answer at most."""
    pause = think_seconds or (steps[-1].think_seconds if steps else 0.0)
    cycle = pause + min((step.latency.mean for step in steps if step.latency is not None), default=0.0)
    most = int(limits.per_second * cycle)
    if users <= most or cycle <= 0:
        return users
    if most > (steps[-1].users if steps else 0):
        return most
    return Stop("rate", f"more users could ask more than {limits.per_second:g} requests a second (--max-rate)")


def goal_met(step: Step, wanted: Goal) -> bool:
    """Whether this step shows everything that was asked for, without failures."""
    if wanted == Goal() or _refused(step) or step.latency is None:
        return False
    return (
        (wanted.users is None or step.users >= wanted.users)
        and (wanted.per_second is None or step.throughput_per_second >= wanted.per_second)
        and (wanted.p95_seconds is None or step.latency.p95 <= wanted.p95_seconds)
        and (wanted.users is not None or wanted.per_second is not None)
    )


def _refused(step: Step) -> bool:
    return step.failed >= FEWEST_FAILED and step.failed_ratio > MOST_FAILED_RATIO


def _ended(steps: Sequence[Step], limits: Limits, wanted: Goal) -> Stop | None:
    if not steps:
        return None
    last = steps[-1]
    if _refused(last):
        return Stop("errors", f"{last.failed} requests failed at {last.users} users")
    if limits.slots is not None and last.slots.used is not None and last.slots.used >= limits.slots:
        return Stop("connections", f"{last.slots.used} slots were in use, {limits.slots} were allowed")
    if last.throughput_per_second >= limits.per_second:
        return Stop("rate", f"{last.throughput_per_second:.0f} requests a second, {limits.per_second:g} are allowed")
    if goal_met(last, wanted):
        return Stop("goal", f"{wanted.words} was reached at {last.users} users")
    if limits.steps or (wanted.users is not None and last.users < wanted.users and wanted.p95_seconds is None):
        return None
    found = knee(steps)
    if found.users is not None and last.users >= BEYOND_KNEE_RATIO * found.users:
        return Stop("saturated", f"throughput no longer rises: {last.users} users are far beyond the knee")
    return None
