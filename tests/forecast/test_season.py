from __future__ import annotations

from slotwise.forecast.season import course

DAY, WIDTH = 86400.0, 3600.0


def test_the_week_before_is_expected_and_else_the_usual_time_of_day() -> None:
    values = {number: float(number % 24) + (100 if number // 24 == 5 else 0) for number in range(9 * 24)}
    said = course(values, WIDTH, 9 * DAY)
    assert said.expected(12 * DAY + 3.5 * WIDTH) == 103
    assert said.expected(17 * DAY + 3.5 * WIDTH) == 3
    assert said.night < 3


def test_what_was_never_seen_is_not_expected() -> None:
    said = course({1: 5.0}, WIDTH, DAY)
    assert said.expected(DAY + 1.5 * WIDTH) == 5.0
    assert said.expected(DAY + 10 * WIDTH) is None
    assert course({}, WIDTH, DAY).expected(0.0) is None


def test_the_growth_itself_is_no_part_of_it() -> None:
    said = course({n: 10.0 if n < 24 else 90.0 for n in range(48)}, WIDTH, DAY)
    assert said.expected(DAY + 5 * WIDTH) == 10.0
