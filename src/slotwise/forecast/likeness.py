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
_LIKEST = 4
_STEPS = 7
_BEGUN = (0.0, 0.25, 0.5)
"""Where in the stretch the climb may have begun, as a share of it."""
_ONE_DAY_BEGUN = (0.0, 0.25)
"""The same of a stretch of a day or more: after a weekend the later half of it is a morning like no other."""
_FEWEST_CLIMBING = 6
_NORMAL_95 = 1.959964
_FINEST = 0.4
"""Counts are whole: a scatter below this is none."""


class Climb(Struct, frozen=True):
    """``rise`` over the last ``seconds``, ``strength``: by how much the climb explains more than the best explanation
    without one, in squared deviations; ``over_step``: the same beside one lasting step; ``days_back``: the day it is
    like, ``scale`` times. ``low`` and ``high`` are the 95 % interval of ``rise``."""

    rise: float
    low: float
    high: float
    seconds: float
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
    """The climb within the ``count`` buckets that end with bucket ``last``. ``values`` by number of bucket of ``width``
    seconds. None where too little is known of it or of the same hours of earlier days, or where it does not rise."""
    days = _days(values, width, last, count)
    plain: float | None = None
    stepped: float | None = None
    best: tuple[float, float, _Fit, _Day] | None = None
    for day in days:
        alone = day.rest() / day.share
        plain = alone if plain is None else min(plain, alone)
        for place in range(1, _STEPS + 1):
            cut = day.share * place // (_STEPS + 1)
            rest = day.beside(_centred([0.0] * cut + [1.0] * (day.share - cut))).rest / day.share
            stepped = rest if stepped is None else min(stepped, rest)
        for begun in _ONE_DAY_BEGUN if count * width >= DAY else _BEGUN:
            start = int(day.share * begun)
            if day.share - start < _FEWEST_CLIMBING:
                continue
            bend = [float(max(0, n - start)) for n in range(day.share)]
            fit = day.beside(_centred(bend))
            if fit.factor > 0 and (best is None or fit.rest / day.share < best[0]):
                best = (fit.rest / day.share, bend[-1], fit, day)
    if plain is None or stepped is None or best is None:
        return None
    left, steps, fit, day = best
    number = day.share * _independent(day.residuals(fit))
    spread = left + _FINEST**2
    reach = _NORMAL_95 * (spread * day.share / (number * _dot(fit.x, fit.x))) ** 0.5 * steps
    rise = fit.factor * steps
    return Climb(
        rise=rise,
        low=rise - reach,
        high=rise + reach,
        seconds=steps * width,
        strength=number * (plain - left) / spread,
        over_step=number * (stepped - left) / spread,
        scatter=left**0.5,
        days_back=day.back,
        scale=fit.scale,
    )


class _Fit(Struct, frozen=True):
    """What is left of the squares beside ``x``, and the factors of the day and of ``x``."""

    rest: float
    scale: float
    factor: float
    x: list[float]


class _Day(Struct, frozen=True):
    """The stretch ``y`` and the same hours ``s`` of a day ``back`` (or of several, the likest first), both centred."""

    y: list[float]
    s: list[float]
    back: int
    yy: float
    ys: float
    ss: float

    @property
    def share(self) -> int:
        return len(self.y)

    def rest(self) -> float:
        scale = min(HIGHEST_SCALE, max(0.0, self.ys / self.ss)) if self.ss > 1e-9 else 0.0
        return self.yy - 2 * scale * self.ys + scale * scale * self.ss

    def beside(self, x: list[float]) -> _Fit:
        xx, xy, xs = _dot(x, x), _dot(x, self.y), _dot(x, self.s)
        if xx < 1e-9:
            return _Fit(self.rest(), 0.0, 0.0, x)
        free = self.ss - xs * xs / xx
        scale = (self.ys - xs * xy / xx) / free if free > 1e-9 else 0.0
        scale = min(HIGHEST_SCALE, max(0.0, scale))
        factor = (xy - scale * xs) / xx
        rest = self.yy - 2 * scale * self.ys + scale * scale * self.ss - factor * factor * xx
        return _Fit(max(0.0, rest), scale, factor, x)

    def residuals(self, fit: _Fit) -> list[float]:
        return [a - fit.scale * b - fit.factor * c for a, b, c in zip(self.y, self.s, fit.x, strict=True)]


def _days(values: Mapping[int, float], width: float, last: int, count: int) -> list[_Day]:
    """The earlier days that the stretch is most like, with a climb allowed, and the mean of the three likest."""
    slots = int(DAY // width)
    numbers = [n for n in range(last - count + 1, last + 1) if n in values]
    fewest = max(_FEWEST_CLIMBING, LEAST_KNOWN_SHARE * count)
    if len(numbers) < fewest:
        return []
    # so far back that no part of the stretch, nor half a day before it, is what it is compared with
    nearest = max(FEWEST_DAYS_BACK, -(-(count + slots // 2) // slots))
    found: list[tuple[float, _Day]] = []
    for back in range(nearest, nearest + MOST_DAYS_BACK):
        known = [n for n in numbers if n - back * slots in values]
        if len(known) < max(fewest, LEAST_KNOWN_SHARE * len(numbers)):
            continue
        day = _day([values[n] for n in known], [values[n - back * slots] for n in known], back)
        ramp = _centred([float(n) for n in known])
        found.append((day.beside(ramp).rest / day.share, day))
    found.sort(key=lambda pair: pair[0])
    days = [day for _, day in found[:_LIKEST]]
    whole = [day for day in days if day.share == len(numbers)][:3]
    if len(whole) == 3:
        mean = [sum(row) / 3 for row in zip(*(day.s for day in whole), strict=True)]
        days.append(_day(whole[0].y, mean, whole[0].back))
    return days


def _day(y: Sequence[float], s: Sequence[float], back: int) -> _Day:
    y, s = _centred(y), _centred(s)
    return _Day(y, s, back, _dot(y, y), _dot(y, s), _dot(s, s))


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


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))
