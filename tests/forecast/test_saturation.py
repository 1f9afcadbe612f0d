from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotwise.forecast.saturation import forecast
from slotwise.forecast.series import Sample, since_restart
from tests.forecast.histories import DAY, HOUR, history

QUIET = {
    "flat": {},
    "flat and noisy": {"scatter": 3.0},
    "daily season": {"daily": 40.0},
    "daily season, quiet weekend": {"daily": 40.0, "weekend": 0.2},
    "bursts": {"burst": 40.0, "daily": 15.0},
    "step by deploy": {"step": 15.0, "step_at": 9.4 * DAY, "daily": 15.0},
    "restart saw-tooth": {"leak_per_hour": 0.5, "restart_every": DAY, "daily": 10.0},
    "more databases": {"more": ((5.3 * DAY, 5.0), (8.4 * DAY, 5.0)), "daily": 15.0},
    "nightly batch": {"nightly": 25.0, "daily": 20.0},
    "gaps": {"gap_share": 0.4, "daily": 30.0},
}


@pytest.mark.parametrize("name", QUIET)
def test_quiet_days_raise_no_alarm(name: str) -> None:
    samples = history(14, seed=len(name), every=300, **QUIET[name])  # type: ignore[arg-type]
    alarms = []
    for hours in range(30, 14 * 24, 5):
        said = forecast([s for s in samples if s.at <= hours * HOUR], 97)
        if said.trend == "growing" and said.certainty == "confirmed":
            alarms.append((hours, said.reason))
    assert alarms == []


@pytest.mark.parametrize("season", [0.0, 30.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_leak_of_one_an_hour_is_found_within_twelve_hours(season: float, seed: int) -> None:
    start = 5 * DAY + (seed * 7 + 2) * HOUR
    samples = history(6.5, seed=seed, daily=season, leak_per_hour=1.0, leak_from=start, every=300)
    for hours in range(1, 13):
        said = forecast([s for s in samples if s.at <= start + hours * HOUR], 97)
        if said.trend == "growing":
            break
    assert said.trend == "growing" and said.certainty == "confirmed", f"not found {hours} h after the start"


@pytest.mark.parametrize("rate", [2.0, 6.0, 20.0, 40.0])
def test_time_to_saturation_is_right_once_a_third_is_gone(rate: float) -> None:
    errors = []
    for seed in range(4):
        start = 3 * DAY
        life = (97 - 20) / rate * HOUR
        samples = history(3 + life / DAY, seed=seed, leak_per_hour=rate, leak_from=start, every=60)
        now = start + life * 0.4
        said = forecast([s for s in samples if s.at <= now], 97)
        truth = start + life - now
        errors.append(abs((said.eta_seconds or 1e9) - truth) / truth)
    assert median(errors) < 0.2, errors


def test_the_end_of_a_burst_is_no_restart_and_a_fall_that_stays_is_one() -> None:
    level = [Sample(float(n), 20.0) for n in range(20)]
    burst = [*level, Sample(20.0, 45.0), *(Sample(21.0 + n, 20.0) for n in range(20))]
    assert since_restart(burst) == burst
    fallen = [*level, *(Sample(20.0 + n, 4.0) for n in range(20))]
    assert since_restart(fallen)[0].at == 20.0


def test_a_quick_leak_among_bursts_is_found() -> None:
    start = 3 * DAY
    samples = history(3.1, seed=1, leak_per_hour=20.0, leak_from=start, burst=20.0, every=60)
    said = forecast([s for s in samples if s.at <= start + 2 * HOUR], 97)
    assert said.trend == "growing" and said.eta_seconds == pytest.approx((97 - 60) / 20 * HOUR, rel=0.25)


def test_a_young_history_is_provisional() -> None:
    samples = history(0.25, seed=1, leak_per_hour=10.0, every=60)
    said = forecast(samples, 97)
    assert (said.trend, said.certainty) == ("growing", "provisional")
    assert said.eta_seconds == pytest.approx((97 - 80) / 10 * HOUR, rel=0.25)


def test_nothing_is_made_of_nothing() -> None:
    assert forecast([], 97).trend == "unknown"
    assert forecast([Sample(float(n), None) for n in range(100)], 97).trend == "unknown"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1e7), st.one_of(st.none(), st.floats(0, 1e5))), max_size=60), st.floats(0, 10_000)
)
def test_any_history_is_taken(points: list[tuple[float, float | None]], limit: float) -> None:
    said = forecast([Sample(at, used) for at, used in points], limit)
    assert said.eta_seconds is None or said.eta_seconds >= 0
