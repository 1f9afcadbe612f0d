"""Recorded weeks, on which no threshold was tuned; docs/forecast.md tells of the others, those that fail too."""

from __future__ import annotations

from slotwise.forecast.saturation import forecast
from tests.forecast.unseen import DAY, HOUR, recorded

LIMIT = 50
LEAK_FROM = 5 * DAY


def confirmed(name: str, now: float) -> bool:
    said = forecast([s for s in recorded(name) if s.at <= now], LIMIT)
    return said.trend == "growing" and said.certainty == "confirmed"


def test_an_ordinary_recorded_week_raises_no_alarm() -> None:
    assert [h for h in range(30, 168, 4) if confirmed("quiet", h * HOUR)] == []


def test_a_recorded_leak_of_one_an_hour_is_found_within_twelve_hours() -> None:
    assert not confirmed("leak", LEAK_FROM)
    assert any(confirmed("leak", LEAK_FROM + hours * HOUR) for hours in range(1, 13))
