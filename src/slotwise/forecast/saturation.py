"""When the last slot goes, from the history of how many are taken; or an honest "no trend".

The floor of each bucket carries the trend (bursts only go up), its top carries the level (the peak is what meets the
wall).
Days are compared with days: growth counts only as far as it exceeds everything that was seen at the same time of day in
the last week, so that a working day, a Monday or a nightly job is no trend.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from msgspec import Struct

from slotwise.forecast.likeness import Climb, climb
from slotwise.forecast.projection import meeting
from slotwise.forecast.robust import Point, Slope, noise, quantile, theil_sen
from slotwise.forecast.season import course
from slotwise.forecast.series import Sample, buckets, last_step, since_restart

HOUR = 3600.0
DAY = 24 * HOUR
BUCKET_SECONDS = 900.0
FINE_BUCKET_SECONDS = 300.0
"""For growth that fills the server within hours: it must be seen before two hours have gone."""

HORIZON_SECONDS = 14 * DAY
"""Beyond this nobody acts on a forecast, and it says nothing."""

HALF_HOUR = 1800.0
CLEAN_SECONDS = 3 * DAY
"""What is younger may be the same climb, and is no example of what is usual."""
PAST_FACTOR = 1.3
"""A climb is news only where it is surer by this than any that was seen before."""


class Window(Struct, frozen=True):
    """A stretch of ``count`` buckets of ``width`` seconds, and the score from which a climb on it is sure: the fewer
    hours, the more other things look like a climb."""

    width: float
    count: int
    score: float


WINDOWS = (
    Window(HOUR, 72, 9.0),
    Window(HOUR, 48, 12.0),
    Window(HALF_HOUR, 48, 13.0),
    Window(HALF_HOUR, 24, 22.0),
    Window(HALF_HOUR, 16, 26.0),
    Window(HALF_HOUR, 12, 42.0),
    Window(FINE_BUCKET_SECONDS, 48, 60.0),
    Window(FINE_BUCKET_SECONDS, 24, 60.0),
    Window(FINE_BUCKET_SECONDS, 12, 60.0),
)

Trend = Literal["growing", "no trend", "unknown"]
Certainty = Literal["confirmed", "provisional"]


class Forecast(Struct, frozen=True):
    """What the history says. ``eta_seconds`` is from the last sample to the last usable slot, with a 95 % interval
    of the slope.

    *provisional*: less than a day of history, so that an ordinary morning cannot be told from a leak; no alarm rests
    on it.
    ``level`` is the recent peak, ``slope_per_hour`` connections per hour; None where ``trend`` is not *growing*.
    """

    trend: Trend
    certainty: Certainty
    reason: str
    level: float | None = None
    slope_per_hour: float | None = None
    eta_seconds: float | None = None
    eta_low_seconds: float | None = None
    eta_high_seconds: float | None = None
    history_seconds: float = 0.0


def forecast(samples: Sequence[Sample], limit: float) -> Forecast:
    """Judge a history against ``limit`` usable slots. Samples may be unordered and have gaps."""
    kept = since_restart(samples)
    known = [s for s in kept if s.used is not None]
    if len(known) < 8:
        return Forecast("unknown", "provisional", f"{len(known)} samples since the last restart are too few")
    length = known[-1].at - known[0].at
    width = min(BUCKET_SECONDS, max(1.0, length / 24))
    top = buckets(known, min(FINE_BUCKET_SECONDS, width), 0.9)
    level = quantile([value for _, value in top[-3:]], 0.5)
    if length < DAY + 2 * HOUR:
        return _young(buckets(known, width, 0.1), level, limit, length)
    return _seasonal(known, level, limit, length)


def _young(floor: list[Point], level: float, limit: float, length: float) -> Forecast:
    """Less than a day: the plain trend since the last step."""
    rest = floor[last_step(floor, max(4.0, 0.1 * limit)) :]
    slope = theil_sen(rest)
    rise = slope.per_second * (rest[-1][0] - rest[0][0]) if slope else 0.0
    scatter = noise([value for _, value in rest])
    if slope is None or slope.low <= 0 or slope.z < 3 or rise < max(3.0, 3 * scatter):
        return Forecast("no trend", "provisional", "no growth that stands out", level, history_seconds=length)
    return _growing("provisional", "less than a day of history", level, slope, limit, length)


def _seasonal(known: list[Sample], level: float, limit: float, length: float) -> Forecast:
    """A day or more: a climb beside the course of the days before, or a drift from day to day."""
    found = _climbing(known, limit)
    if found is not None:
        window, climbing = found
        seconds = window.count * window.width
        per_second = climbing.rise / climbing.seconds
        middle = {int(at // HALF_HOUR): value for at, value in buckets(known, HALF_HOUR, 0.5)}
        end = known[-1].at
        usual = course(middle, HALF_HOUR, end - seconds)
        like = (middle, climbing.days_back, climbing.scale)
        now = _level_now(buckets(known, FINE_BUCKET_SECONDS, 0.5)[-3:], end, per_second)
        etas = [
            meeting(end, now, rise / climbing.seconds, like, usual, limit, HORIZON_SECONDS) if rise > 0 else None
            for rise in (climbing.rise, climbing.high, climbing.low)
        ]
        hours = climbing.seconds / HOUR
        why = f"{climbing.rise:.0f} more in {hours:.1f} h than the days before explain, and still rising"
        return _met("confirmed", why, level, per_second * HOUR, etas, length)
    floor = buckets(known, BUCKET_SECONDS, 0.1)
    scatter = max(noise([value for _, value in floor]), 0.5)
    drift = _day_to_day(floor)
    if drift is not None and drift.low > 0 and drift.per_second * DAY >= max(2.0, 2 * scatter):
        return _growing("confirmed", f"{drift.per_second * DAY:.1f} more from day to day", level, drift, limit, length)
    return Forecast(
        "no trend", "confirmed", "no growth beyond the daily and weekly pattern", level, history_seconds=length
    )


def _level_now(latest: list[Point], end: float, per_second: float) -> float:
    """The level at ``end``: that of the latest buckets, and what has come since their middle."""
    middle = quantile([at for at, _ in latest], 0.5)
    return quantile([value for _, value in latest], 0.5) + per_second * (end - middle)


def _climbing(known: list[Sample], limit: float) -> tuple[Window, Climb] | None:
    """The surest climb of the last hours, where it is surer than any stretch of its length was before."""
    by_width = {
        width: {int(at // width): value for at, value in buckets(known, width, 0.1)}
        for width in {window.width for window in WINDOWS}
    }
    end = known[-1].at + 1
    found = []
    for window in WINDOWS:
        one = climb(by_width[window.width], window.width, int(end // window.width) - 1, window.count)
        if one is not None and _sure(one, window, limit):
            found.append((window, one))
    for window, one in sorted(found, key=lambda pair: pair[1].score, reverse=True):
        if not _seen_before(one, window, by_width[window.width], end - CLEAN_SECONDS):
            return window, one
    return None


def _seen_before(found: Climb, window: Window, values: dict[int, float], ends: float) -> bool:
    """Whether a stretch of that length climbed about as surely before ``ends``."""
    stride = max(1, int(2 * HOUR // window.width))
    for last in range(int(ends // window.width), min(values) + window.count, -stride):
        past = climb(values, window.width, last, window.count)
        if (
            past is not None
            and past.score > found.score / PAST_FACTOR
            and past.rise >= max(3.5 * past.scatter, found.rise / 2)
        ):
            return True
    return False


def _sure(found: Climb, window: Window, limit: float) -> bool:
    large = 0.1 * limit if window.width < HALF_HOUR else 0.0
    return found.score >= window.score and found.rise >= max(4.0, 3.5 * found.scatter, large)


def _day_to_day(floor: list[Point]) -> Slope | None:
    """The slope between equal times of day (seasonal Kendall: Hirsch and Slack, Water Resources Research 20, 1984).

    Every one of the last days must stand above the day before: a week's rhythm has days that fall.
    """
    end = floor[-1][0]
    days: dict[int, list[float]] = {}
    for at, value in floor:
        days.setdefault(int((end - at) // DAY), []).append(value)
    full = [number for number in sorted(days) if number < 14 and len(days[number]) >= 0.8 * DAY / BUCKET_SECONDS]
    if len(full) < 4:
        return None
    floors = [quantile(days[number], 0.1) for number in full]
    if any(newer <= older for newer, older in pairwise(floors[:4])):
        return None
    return theil_sen([(-number * DAY, quantile(days[number], 0.5)) for number in reversed(full[:7])])


def _growing(certainty: Certainty, why: str, level: float, slope: Slope, limit: float, length: float) -> Forecast:
    room = max(0.0, limit - level)
    eta = room / slope.per_second
    if eta > HORIZON_SECONDS:
        return Forecast(
            "no trend", certainty, "growth that meets no wall within 14 days", level, history_seconds=length
        )
    return Forecast(
        "growing",
        certainty,
        why,
        level,
        slope.per_second * HOUR,
        eta,
        room / slope.high if slope.high > 0 else None,
        room / slope.low if slope.low > 0 else None,
        length,
    )


def _met(
    certainty: Certainty, why: str, level: float, per_hour: float, etas: list[float | None], length: float
) -> Forecast:
    """``etas``: by the slope, by its upper end and by its lower end."""
    eta, soonest, latest = etas
    if eta is None:
        return Forecast(
            "no trend", certainty, "growth that meets no wall within 14 days", level, history_seconds=length
        )
    return Forecast("growing", certainty, why, level, per_hour, eta, soonest, latest, length)
