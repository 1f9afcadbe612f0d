from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotwise.capacity.queueing import occupancy
from slotwise.load.knee import fit, knee
from slotwise.load.measures import Block, Step, step_of
from slotwise.load.ramp import Limits
from slotwise.load.visits import Duration
from tests.load.ramping import simulated_ramp, system

SET_UPS = {
    "few workers, constant times": (4, 99, Duration(0.1), Duration(0.9, "exponential")),
    "small pool behind many workers": (40, 5, Duration(0.05, "exponential"), Duration(0.45, "exponential")),
    "uneven requests": (8, 3, Duration(0.2, "lognormal"), Duration(1.0)),
    "in step": (2, 99, Duration(0.05), Duration(0.2)),
    "many short requests": (16, 16, Duration(0.03, "exponential"), Duration(0.6, "exponential")),
    "a large installation": (50, 40, Duration(0.1, "exponential"), Duration(1.5, "exponential")),
}


@pytest.mark.parametrize("name", SET_UPS)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_knee_is_found_within_ten_percent_of_the_analytic_value(name: str, seed: int) -> None:
    workers, slots, service, think = SET_UPS[name]
    steps, stop = simulated_ramp(system(workers, slots, service, think), think.mean_seconds, seed=seed)
    analytic = min(workers, slots) * (service.mean_seconds + think.mean_seconds) / service.mean_seconds
    found = knee(steps)
    assert stop.reason == "saturated"
    assert found.users == pytest.approx(analytic, rel=0.1)
    assert found.low is not None and found.high is not None and found.low <= found.users <= found.high
    assert found.most_per_second == pytest.approx(min(workers, slots) / service.mean_seconds, rel=0.1)


def test_more_measuring_narrows_the_interval() -> None:
    workers, slots, service, think = SET_UPS["small pool behind many workers"]
    limits = Limits(seconds=1e6, users=500, steps=(1, 3, 8, 20, 40, 60, 90, 130))
    widths = []
    for seconds in (3.0, 96.0):
        steps, _ = simulated_ramp(
            system(workers, slots, service, think), think.mean_seconds, step_seconds=seconds, limits=limits
        )
        found = knee(steps)
        assert found.low is not None and found.high is not None
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2


@given(st.integers(1, 30), st.floats(0.01, 1.0), st.floats(1.0, 30.0), st.sampled_from([2.5, 4.0]))
@settings(max_examples=40, deadline=None)
def test_the_exact_queue_has_its_knee_where_the_lines_cross(
    servers: int, service: float, think_ratio: float, beyond: float
) -> None:
    """M/M/c//N without noise: at most 10 % off, whatever the numbers."""
    think = service * think_ratio
    analytic = servers * (service + think) / service
    points = []
    users = 1
    while users <= beyond * analytic:
        shares = occupancy(servers, users, service, think)
        points.append((users, math.fsum(min(n, servers) * share for n, share in enumerate(shares)) / service))
        users = max(users + 1, round(users * 1.5))
    curve = fit(points)
    assert curve is not None
    assert curve.users == pytest.approx(analytic, rel=0.1)


def _steps(points: dict[int, float], think: float = 1.0) -> list[Step]:
    return [step_of(users, 5.0, [response] * 100, think) for users, response in points.items()]


def test_without_a_bend_there_is_no_knee() -> None:
    found = knee(_steps({1: 0.1, 2: 0.1, 4: 0.101, 8: 0.1, 16: 0.102}))
    assert found.users is None and found.beyond == 16 and "not left the line" in found.why
    assert found.unloaded_seconds == pytest.approx(0.1, abs=0.01)


def test_too_few_steps_are_no_knee() -> None:
    assert knee(_steps({1: 0.1, 20: 3.0})).users is None
    assert knee([]).users is None


def test_steps_with_refusals_are_left_out() -> None:
    from msgspec.structs import replace

    from slotwise.load.measures import Refused

    steps = _steps({1: 0.1, 2: 0.1, 4: 0.1, 8: 0.11, 16: 0.8, 32: 2.4})
    refused = (Refused(wall="pg_reserved", role="http_worker", count=50, words="FATAL"),)
    quick = replace(step_of(48, 5.0, [0.001] * 100, 1.0), refused=refused)
    assert knee([*steps, quick]) == knee(steps)
    assert knee(steps).users == pytest.approx(10.4, rel=0.1)


def test_blocks_keep_every_request() -> None:
    step = step_of(3, 2.0, [n / 100 for n in range(1, 48)], 0.0)
    assert sum(block.completed for block in step.blocks) == 47
    assert len(step.blocks) == 20
    assert step_of(3, 2.0, [0.5], 0.0).blocks == (Block(1, 0.5),)
