from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotwise.forecast.likeness import climb

WIDTH = 1800.0
DAY_SLOTS = 48


def week(change: dict[int, float] | None = None, *, days: int = 6, noise: float = 0.5) -> dict[int, float]:
    """Half-hour buckets of days with a working hump, and what is added to some of them."""
    chance = random.Random(7)
    values = {}
    for number in range(days * DAY_SLOTS):
        hour = number % DAY_SLOTS / 2
        hump = 25 * max(0.0, math.sin((hour - 7) / 12 * math.pi)) if 7 <= hour <= 19 else 0.0
        values[number] = 20 + hump + chance.gauss(0, noise) + (change or {}).get(number, 0.0)
    return values


LAST = 6 * DAY_SLOTS - 10
"""Seven in the evening of the sixth day."""


def test_a_day_like_the_others_does_not_climb() -> None:
    said = climb(week(), WIDTH, LAST, 24)
    assert said is None or said.score < 5


def test_a_busier_day_does_not_climb() -> None:
    plain = week(noise=0.0)
    busier = {n: 0.6 * (plain[n] - 20) for n in range(5 * DAY_SLOTS, 6 * DAY_SLOTS)}
    said = climb(week(busier), WIDTH, LAST, 16)
    assert said is None or said.score < 5


def test_a_step_does_not_climb() -> None:
    said = climb(week(dict.fromkeys(range(LAST - 11, LAST + 1), 12.0)), WIDTH, LAST, 24)
    assert said is not None and said.over_step < 5


@pytest.mark.parametrize("per_hour", [1.0, 3.0])
def test_a_leak_climbs_with_its_rate(per_hour: float) -> None:
    leak = {n: (n - (LAST - 24)) * per_hour / 2 for n in range(LAST - 24, LAST + 1)}
    said = climb(week(leak), WIDTH, LAST, 24)
    assert said is not None and said.score > 13
    assert said.rise == pytest.approx(per_hour * 11.5, rel=0.15)
    assert said.low < said.rise < said.high
    assert said.days_back >= 2


def test_too_little_is_nothing() -> None:
    assert climb({}, WIDTH, 100, 24) is None
    assert climb(week(days=1), WIDTH, 40, 24) is None


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.integers(0, 400), st.floats(0, 1e6), max_size=200), st.integers(0, 400), st.integers(6, 48))
def test_any_counts_are_taken(values: dict[int, float], last: int, count: int) -> None:
    said = climb(values, WIDTH, last, count)
    assert said is None or (said.low <= said.rise <= said.high and said.scatter >= 0)
