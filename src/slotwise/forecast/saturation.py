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

from slotwise.forecast.robust import Point, Slope, noise, quantile, theil_sen
from slotwise.forecast.series import Sample, buckets, last_step, since_restart

HOUR = 3600.0
DAY = 24 * HOUR
BUCKET_SECONDS = 900.0
FINE_BUCKET_SECONDS = 300.0
"""For growth that fills the server within hours: it must be seen before two hours have gone."""

HORIZON_SECONDS = 14 * DAY
"""Beyond this nobody acts on a forecast, and it says nothing."""

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
    """A day or more: growth above what the same time of day has seen before, or a drift from day to day."""
    floor = buckets(known, BUCKET_SECONDS, 0.1)
    scatter = max(noise([value for _, value in floor]), 0.5)
    small = max(6.0, 4 * scatter)
    fine = _excess(buckets(known, FINE_BUCKET_SECONDS, 0.1), FINE_BUCKET_SECONDS)
    coarse = _excess(floor, BUCKET_SECONDS)
    large = max(3 * small, 0.15 * limit)
    windows = (
        (fine, 1.0, large),
        (fine, 2.0, large),
        (coarse, 6.0, small),
        (coarse, 12.0, small),
        (coarse, 24.0, small),
    )
    for excess, hours, needed in windows:
        slope, ended = _rising(excess, hours, needed)
        if slope is not None:
            why = f"{ended:.0f} more than this time of day has seen in a week, and rising for {hours:.0f} h"
            return _growing("confirmed", why, level, slope, limit, length)
    drift = _day_to_day(floor)
    if drift is not None and drift.low > 0 and drift.per_second * DAY >= max(2.0, 2 * scatter):
        return _growing("confirmed", f"{drift.per_second * DAY:.1f} more from day to day", level, drift, limit, length)
    return Forecast(
        "no trend", "confirmed", "no growth beyond the daily and weekly pattern", level, history_seconds=length
    )


def _rising(excess: list[Point], hours: float, needed: float) -> tuple[Slope | None, float]:
    """The slope of the excess over the last ``hours`` where it is sure and has reached ``needed``, and what it has
    reached."""
    part = [p for p in excess if p[0] > excess[-1][0] - hours * HOUR] if excess else []
    part = part[last_step(part, max(4.0, needed / 3)) :]
    if len(part) < 8 or part[-1][0] - part[0][0] < 0.4 * min(hours, 6.0) * HOUR:
        return None, 0.0
    slope = theil_sen(part)
    ended = quantile([value for _, value in part[-3:]], 0.5)
    rise = slope.per_second * (part[-1][0] - part[0][0]) if slope else 0.0
    sure = slope is not None and slope.low > 0 and slope.z >= 3.5 and ended >= needed and rise >= 0.5 * ended
    if slope is not None and sure and not _goes_on(part, slope):
        return None, ended
    return (slope if sure else None), ended


def _goes_on(part: list[Point], slope: Slope) -> bool:
    """Whether the last third still rises with two fifths of the slope: what has levelled off is a step, which the
    start of a working day has smeared."""
    third = len(part) // 3
    late, earlier = part[-third:], part[-2 * third : -third]
    gained = quantile([v for _, v in late], 0.5) - quantile([v for _, v in earlier], 0.5)
    return gained >= 0.4 * slope.per_second * (late[0][0] - earlier[0][0])


def _excess(floor: list[Point], width: float) -> list[Point]:
    """Each bucket of the last two days, less the highest value that its time of day had in the week before; not
    below 0.

    Times of day are compared with half an hour to either side: no working day starts to the minute. With three days or
    more of history the last two are no part of what they are compared with, so that a leak does not become its own
    norm.
    """
    if not floor:
        return []
    end = floor[-1][0]
    norm_ends = end - 2 * DAY if floor[0][0] <= end - 3 * DAY else end
    reach = int(1800 // width)
    by_time: dict[int, list[Point]] = {}
    for point in floor:
        by_time.setdefault(int(point[0] % DAY // width), []).append(point)
    slots = int(DAY // width)
    excess: list[Point] = []
    for at, value in floor:
        if at <= end - 2 * DAY:
            continue
        slot = int(at % DAY // width)
        around = (p for n in range(-reach, reach + 1) for p in by_time.get((slot + n) % slots, ()))
        before = [v for t, v in around if at - 8 * DAY < t < min(at - DAY / 2, norm_ends)]
        if before:
            excess.append((at, max(0.0, value - max(before))))
    return excess


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
