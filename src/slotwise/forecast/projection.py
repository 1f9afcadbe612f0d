"""When the counts meet the limit: the climb goes on, and the course of the days to come is laid on it."""

from __future__ import annotations

from collections.abc import Mapping

from slotwise.forecast.season import DAY, Course

SAME_DAY_SECONDS = 8 * 3600.0
"""For so long today is thought to stay like the day it has been like; after that it is as expected."""
_STEP_SECONDS = 900.0


def meeting(
    at: float,
    level: float,
    per_second: float,
    like: tuple[Mapping[int, float], int, float],
    course: Course,
    limit: float,
    within_seconds: float,
) -> float | None:
    """Seconds from ``at`` to the first moment at which ``level`` with its slope and the course meet ``limit``; None
    beyond ``within_seconds``. ``like``: the values by bucket, the day back that today is like, and by how much."""
    if level >= limit:
        return 0.0
    values, days_back, scale = like

    def today(moment: float) -> float | None:
        usual = values.get(int((moment - days_back * DAY) // course.width))
        return None if usual is None else scale * (usual - course.night)

    height = today(at)
    base = level - (height or 0.0)
    before = level
    for step in range(1, int(within_seconds // _STEP_SECONDS) + 1):
        after = step * _STEP_SECONDS
        usual = today(at + after) if after < SAME_DAY_SECONDS and after < (days_back - 1) * DAY else None
        if usual is None:
            expected = course.expected(at + after)
            usual = (height or 0.0) if expected is None else expected - course.night
        value = base + usual + per_second * after
        if value >= limit:
            share = (limit - before) / (value - before) if value > before else 1.0
            return after - _STEP_SECONDS + _STEP_SECONDS * min(1.0, max(0.0, share))
        before = value
    return None
