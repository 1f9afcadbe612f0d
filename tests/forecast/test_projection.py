from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.forecast.projection import meeting
from slotwise.forecast.season import course

HOUR, DAY = 3600.0, 86400.0
WIDTH = 1800.0


def day(number: int) -> float:
    """20 by night, 50 from eight to eighteen o'clock."""
    return 50.0 if 8 <= number % 48 / 2 < 18 else 20.0


VALUES = {number: day(number) for number in range(8 * 48)}
NOW = 8 * DAY
USUAL = course(VALUES, WIDTH, NOW)


def meets(at: float, level: float, per_hour: float, limit: float, values: dict[int, float] = VALUES) -> float | None:
    return meeting(at, level, per_hour / HOUR, (values, 2, 1.0), USUAL, limit, 14 * DAY)


def test_a_flat_course_is_met_by_the_climb_alone() -> None:
    flat = dict.fromkeys(range(8 * 48), 20.0)
    usual = course(flat, WIDTH, NOW)
    assert meeting(NOW, 30.0, 2 / HOUR, (flat, 2, 1.0), usual, 97, 14 * DAY) == pytest.approx(67 / 2 * HOUR, rel=0.01)


def test_the_working_day_meets_the_limit_before_the_climb_does() -> None:
    found = meets(NOW, 40.0, 4.0, 97)
    assert found is not None and found == pytest.approx(8 * HOUR, abs=HOUR / 2)


def test_a_full_server_is_met_now_and_one_that_never_fills_is_not() -> None:
    assert meets(NOW, 97.0, 1.0, 97) == 0.0
    assert meets(NOW, 20.0, 0.01, 97) is None


@given(st.floats(0, 200), st.floats(0.1, 60), st.floats(10, 500))
def test_more_growth_is_never_later(level: float, per_hour: float, limit: float) -> None:
    slow, fast = meets(NOW, level, per_hour, limit), meets(NOW, level, per_hour * 2, limit)
    assert fast is not None or slow is None
    assert slow is None or (fast is not None and fast <= slow)
