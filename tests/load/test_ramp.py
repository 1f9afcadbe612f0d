from __future__ import annotations

import pytest
from msgspec.structs import replace

from slotwise.errors import OperatorError
from slotwise.load.measures import Refused, Slots, Step, step_of
from slotwise.load.ramp import Goal, Limits, Stop, goal, goal_met, next_users


def _step(users: int, response: float = 0.1, count: int = 100) -> Step:
    return step_of(users, 1.0, [response] * count, 1.0)


def _next(
    steps: list[Step], limits: Limits | None = None, wanted: Goal | None = None, elapsed: float = 0.0
) -> int | Stop:
    return next_users(steps, limits or Limits(), wanted or Goal(), elapsed, 10.0)


def _reason(steps: list[Step], limits: Limits | None = None, wanted: Goal | None = None, elapsed: float = 0.0) -> str:
    stop = _next(steps, limits, wanted, elapsed)
    assert isinstance(stop, Stop)
    return stop.reason


def test_it_grows_from_one_user() -> None:
    assert _next([]) == 1
    assert _next([_step(1)]) == 2
    assert _next([_step(10)]) == 15


def test_it_keeps_to_its_bounds() -> None:
    assert _reason([_step(1)], Limits(seconds=60), elapsed=51) == "time"
    assert _next([_step(30)], Limits(users=40)) == 40
    assert _reason([_step(40)], Limits(users=40)) == "users"
    assert _reason([_step(4, count=600)], Limits(per_second=500)) == "rate"
    # A pause of 1 s and an answer in 0.1 s: 10 requests a second are 11 users.
    assert _next([_step(10, count=9)], Limits(per_second=10)) == 11
    assert _reason([_step(11, count=9)], Limits(per_second=10)) == "rate"
    assert next_users([], Limits(steps=(50,), per_second=10), Goal(), 0.0, 10.0, 2.0) == 20
    full = replace(_step(4), slots=Slots(used=50, usable=97))
    assert _reason([full], Limits(slots=50)) == "connections"
    assert _next([replace(full, slots=Slots(gap="not seen"))], Limits(slots=50)) == 6


def test_refusals_end_it_a_single_one_does_not() -> None:
    refused = Refused(wall="pg_reserved", role="http_worker", count=1, words="FATAL")
    assert _next([replace(_step(4), refused=(refused,))]) == 6
    assert _reason([replace(_step(4), refused=(replace(refused, count=9),))]) == "errors"


def test_steps_that_were_asked_for() -> None:
    limits = Limits(steps=(5, 3, 800), users=100)
    assert _next([], limits) == 5
    assert _next([_step(5)], limits) == 3
    assert _next([_step(5), _step(3)], limits) == 100
    assert _reason([_step(5), _step(3), _step(100)], limits) == "steps"


def test_the_goal() -> None:
    wanted = goal("users=10,p95=0.5")
    assert wanted == Goal(users=10, p95_seconds=0.5)
    assert wanted.words == "users=10,p95=0.5"
    assert _next([_step(9)], wanted=wanted) == 10
    assert _reason([_step(10)], wanted=wanted) == "goal"
    assert goal_met(_step(10), wanted) and not goal_met(_step(10, response=0.7), wanted)
    assert not goal_met(_step(10), Goal())
    assert goal_met(_step(2, count=60), goal("rate=50"))


@pytest.mark.parametrize("text", ["", "users", "users=-1", "speed=3", "p95=fast"])
def test_what_is_no_goal_is_refused(text: str) -> None:
    with pytest.raises(OperatorError):
        goal(text)
