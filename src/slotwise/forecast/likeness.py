"""Is a stretch of counts like the same hours of an earlier day, higher or lower, or does it climb beside them?

Three explanations of a stretch are compared by least squares: an earlier day's same hours, scaled and shifted (a busier
day, one more database); the same with one lasting step (a deploy); the same with a steady climb (a leak). Only where
the climb explains much more than every other does it count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

DAY = 24 * 3600.0
MOST_DAYS_BACK = 14
FEWEST_DAYS_BACK = 2
"""Yesterday may hold the same climb."""
HIGHEST_SCALE = 2.0
LEAST_KNOWN_SHARE = 0.75
_STEPS = 7
_NORMAL_95 = 1.959964
_FINEST = 0.4
"""Counts are whole: a scatter below this is none."""


class Climb(Struct, frozen=True):
    """``rise`` over the whole stretch, ``strength``: by how much the climb explains more than the best explanation
    without one, in squared deviations; ``over_step``: the same beside one lasting step; ``days_back``: the day it is
    like, ``scale`` times. ``low`` and ``high`` are the 95 % interval of ``rise``."""

    rise: float
    low: float
    high: float
    strength: float
    over_step: float
    scatter: float
    days_back: int
    scale: float

    @property
    def score(self) -> float:
        """How sure it is: a step is the nearer rival, and three times as hard to tell from a climb as nothing at
        all."""
        return min(self.strength / 3, self.over_step)


def climb(values: Mapping[int, float], width: float, last: int, count: int) -> Climb | None:
    """The climb of the ``count`` buckets that end with bucket ``last``. ``values`` by number of bucket of ``width``
    seconds. None where too little is known of it or of the same hours of earlier
    days, or where it does not rise."""
    slots = int(DAY // width)
    numbers = [n for n in range(last - count + 1, last + 1) if n in values]
    if len(numbers) < LEAST_KNOWN_SHARE * count or len(numbers) < 6:
        return None
    # so far back that no part of the stretch, nor half a day before it, is what it is compared with
    nearest = max(FEWEST_DAYS_BACK, -(-(count + slots // 2) // slots))
    plain: float | None = None
    stepped: float | None = None
    climbing: tuple[float, float, int, float, float, float] | None = None
    for back in range(nearest, nearest + MOST_DAYS_BACK):
        pairs = [(n, values[n], usual) for n in numbers if (usual := values.get(n - back * slots)) is not None]
        if len(pairs) < LEAST_KNOWN_SHARE * len(numbers) or len(pairs) < 6:
            continue
        y = _centred([value for _, value, _ in pairs])
        s = _centred([usual for _, _, usual in pairs])
        ramp = _centred([float(n) for n, _, _ in pairs])
        share = len(pairs)
        alone = _rest(y, s, None)[0] / share
        plain = alone if plain is None else min(plain, alone)
        for place in range(1, _STEPS + 1):
            cut = len(pairs) * place // (_STEPS + 1)
            step = _centred([0.0] * cut + [1.0] * (len(pairs) - cut))
            rest = _rest(y, s, step)[0] / share
            stepped = rest if stepped is None else min(stepped, rest)
        rest, scale, slope = _rest(y, s, ramp)
        if slope > 0 and (climbing is None or rest / share < climbing[0]):
            residuals = [a - scale * b - slope * c for a, b, c in zip(y, s, ramp, strict=True)]
            number = share * _independent(residuals)
            climbing = (rest / share, slope * (count - 1), back, number, scale, _dot(ramp, ramp) / share)
    if plain is None or stepped is None or climbing is None:
        return None
    left, rise, back, number, scale, length = climbing
    spread = left + _FINEST**2
    reach = _NORMAL_95 * (spread / (number * length)) ** 0.5 * (count - 1)
    return Climb(
        rise,
        rise - reach,
        rise + reach,
        number * (plain - left) / spread,
        number * (stepped - left) / spread,
        left**0.5,
        back,
        scale,
    )


def _independent(residuals: Sequence[float]) -> float:
    """The share of the values that tell something new: neighbours that wander together tell the same (the effective
    size of a sample of an autoregressive series of order one)."""
    whole = _dot(residuals, residuals) + _FINEST**2 * len(residuals)
    alike = _dot(residuals[:-1], residuals[1:]) / whole
    alike = min(0.95, max(0.0, alike))
    return (1.0 - alike) / (1.0 + alike)


def _centred(row: Sequence[float]) -> list[float]:
    mean = sum(row) / len(row)
    return [value - mean for value in row]


def _rest(y: Sequence[float], s: Sequence[float], x: Sequence[float] | None) -> tuple[float, float, float]:
    """The squares that are left of ``y`` when ``s`` (scaled by 0 to ``HIGHEST_SCALE``) and ``x`` explain it, and the
    two factors."""
    yy, ys, ss = _dot(y, y), _dot(y, s), _dot(s, s)
    if x is None:
        scale = min(HIGHEST_SCALE, max(0.0, ys / ss)) if ss > 1e-9 else 0.0
        return yy - 2 * scale * ys + scale * scale * ss, scale, 0.0
    xx, xy, xs = _dot(x, x), _dot(x, y), _dot(x, s)
    if xx < 1e-9:
        return yy, 0.0, 0.0
    free = ss - xs * xs / xx
    scale = (ys - xs * xy / xx) / free if free > 1e-9 else 0.0
    scale = min(HIGHEST_SCALE, max(0.0, scale))
    factor = (xy - scale * xs) / xx
    left = yy - 2 * scale * ys + scale * scale * ss - factor * factor * xx
    return max(0.0, left), scale, factor


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))
