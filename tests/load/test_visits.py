from __future__ import annotations

from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from slotwise.errors import OperatorError
from slotwise.load.visits import Duration, Scenario, duration, visits

SCENARIO = Scenario(
    databases=("a", "b"), service=Duration(0.1, "lognormal"), think=Duration(1.0, "exponential"), rpc_ratio=0.3, seed=7
)


def _first(scenario: Scenario, user: int, count: int = 50) -> list[object]:
    return list(islice(visits(scenario, user), count))


def test_the_same_seed_gives_the_same_scenario() -> None:
    assert _first(SCENARIO, 3) == _first(SCENARIO, 3)
    assert _first(SCENARIO, 3) != _first(SCENARIO, 4)
    assert _first(SCENARIO, 3) != _first(replace(SCENARIO, seed=8), 3)


def test_the_visits_are_as_asked_for() -> None:
    seen = [visit for user in range(60) for visit in islice(visits(SCENARIO, user), 1, 101)]
    assert {visit.database for visit in seen} == {"a", "b"}
    assert sum(visit.kind == "rpc" for visit in seen) / len(seen) == pytest.approx(0.3, abs=0.03)
    assert sum(visit.service_seconds for visit in seen) / len(seen) == pytest.approx(0.1, rel=0.05)
    assert sum(visit.think_seconds for visit in seen) / len(seen) == pytest.approx(1.0, rel=0.06)


@given(st.floats(0.001, 100), st.sampled_from(["constant", "exponential", "lognormal"]))
def test_a_duration_is_never_negative(seconds: float, shape: str) -> None:
    random = Random(1)
    assert all(Duration(seconds, shape).draw(random) >= 0 for _ in range(20))  # type: ignore[arg-type]


def test_durations_are_read() -> None:
    assert duration("100ms") == Duration(0.1)
    assert duration("2s:exponential") == Duration(2.0, "exponential")
    assert duration("0.5:lognormal") == Duration(0.5, "lognormal")


@pytest.mark.parametrize("text", ["", "fast", "-1", "1:gamma", "nan", "inf"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(OperatorError):
        duration(text)
