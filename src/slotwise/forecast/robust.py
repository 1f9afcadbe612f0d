"""Robust statistics in plain Python: a trend that bursts, gaps and single outliers do not move.

Theil-Sen slope with Sen's interval and the Mann-Kendall test (P. K. Sen, "Estimates of the regression coefficient
based on
Kendall's tau", JASA 63, 1968). Series here are a few hundred buckets, for which n² pairs take milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from msgspec import Struct

Point = tuple[float, float]
"""(time in seconds, value)."""

_NORMAL_95 = 1.959964


class Slope(Struct, frozen=True):
    """A slope in value per second with its 95 % interval. ``z`` is the Mann-Kendall statistic: how sure the
    direction is."""

    per_second: float
    low: float
    high: float
    z: float


def theil_sen(points: Sequence[Point]) -> Slope | None:
    """The median of all pairwise slopes, or None for fewer than 4 points or a single moment."""
    n = len(points)
    if n < 4 or points[0][0] == points[-1][0]:
        return None
    slopes: list[float] = []
    concordant = 0
    for i in range(n):
        at, value = points[i]
        for later, other in points[i + 1 :]:
            if later > at:
                slopes.append((other - value) / (later - at))
                concordant += (other > value) - (other < value)
    slopes.sort()
    spread = math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    z = 0.0 if concordant == 0 else (concordant - math.copysign(1, concordant)) / spread
    reach = _NORMAL_95 * spread
    low = slopes[max(0, int((len(slopes) - reach) / 2))]
    high = slopes[min(len(slopes) - 1, int((len(slopes) + reach) / 2))]
    return Slope(median(slopes), low, high, z)


def noise(values: Sequence[float]) -> float:
    """The scatter from one value to the next (scaled median absolute difference): blind to trend and level."""
    steps = [abs(b - a) for a, b in pairwise(values)]
    return 1.4826 * median(steps) / math.sqrt(2) if steps else 0.0


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of ``values`` lies, by linear interpolation. ``values`` is not empty."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
