"""Ramps on the simulated clock, for the tests of the analysis."""

from __future__ import annotations

from slotwise.load.measures import Step, step_of
from slotwise.load.ramp import Goal, Limits, Stop, next_users
from slotwise.load.visits import Duration
from slotwise.simulate.closed_system import ClosedSystem, run


def simulated_ramp(
    system: ClosedSystem,
    think_seconds: float,
    *,
    step_seconds: float = 8.0,
    seed: int = 1,
    limits: Limits | None = None,
) -> tuple[list[Step], Stop]:
    """The steps that ``slotwise load`` would make of this system, and why it stopped."""
    bounds = limits or Limits(seconds=1e6, users=5000, per_second=1e6)
    steps: list[Step] = []
    while True:
        decision = next_users(steps, bounds, Goal(), 0.0, 0.0)
        if isinstance(decision, Stop):
            return steps, decision
        found = run(system, decision, step_seconds, 2 * think_seconds, seed + decision)
        steps.append(step_of(decision, step_seconds, found.response_seconds, think_seconds))


def system(workers: int, slots: int, service: Duration, think: Duration) -> ClosedSystem:
    return ClosedSystem(workers=workers, slots=slots, service=service.draw, think=think.draw)
