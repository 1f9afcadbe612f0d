"""Where latency leaves the line: the number of users at which the unloaded system's line meets its ceiling.

A closed system of N users, each thinking for Z and then waiting for its answer for R, makes X = N / (R + Z) requests a
second. It lies below two lines: N / (R0 + Z) with the response time R0 that a single user sees, and the ceiling Xmax.
They cross at N* = Xmax (R0 + Z): c (S + Z) / S with c servers of service time S (asymptotic bounds, Lazowska et al.,
Quantitative System Performance, 1984, chapter 5). Up to N* an answer takes R0; beyond it each further user makes
everybody wait 1 / Xmax longer. N* is the knee.

The measured curve is fitted by X^-p = ((R0 + Z) / N)^p + Xmax^-p: the lower of both lines, with a bend whose sharpness
p is fitted too (a constant service time bends sharply, an exponential one softly). Confidence comes from a bootstrap
over blocks of consecutive requests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from msgspec import Struct

from slotwise.load.measures import Step

CONFIDENCE_RATIO = 0.95
RESAMPLES = 200
MOST_FAILED_RATIO = 0.01
"""A step with more failures than this tells of a wall and not of a queue: the fit leaves it out."""
BENT_RATIO = 0.85
"""A curve that never falls below this part of the unloaded line has shown no knee."""
FEWEST_STEPS = 4
TRUSTED_REQUESTS = 20
"""A step of so many requests weighs half as much in the fit as one of very many."""
_SHARPNESS = tuple(1.1 * 1.2**power for power in range(22))


class Knee(Struct, frozen=True, kw_only=True):
    """The knee in users. ``users`` is None where none was met; ``why`` says so, and ``beyond`` what it is above of.

    ``low`` and ``high`` bound it with CONFIDENCE_RATIO. ``unloaded_seconds`` is R0, ``most_per_second`` Xmax.
    ``sharpness`` is the fit's p, ``error_ratio`` its root mean square error relative to the measured throughput.
    """

    users: float | None
    low: float | None = None
    high: float | None = None
    beyond: int | None = None
    unloaded_seconds: float | None = None
    most_per_second: float | None = None
    sharpness: float | None = None
    error_ratio: float | None = None
    why: str = ""


class Curve(Struct, frozen=True):
    """A fitted curve: ``cycle_seconds`` is R0 + Z, ``most_per_second`` Xmax, ``sharpness`` p."""

    cycle_seconds: float
    most_per_second: float
    sharpness: float
    error_ratio: float

    @property
    def users(self) -> float:
        """Where both lines cross."""
        return self.cycle_seconds * self.most_per_second


def knee(steps: Sequence[Step], seed: int = 0) -> Knee:
    """The knee of a ramp. Steps may be in any order; ``seed`` is the bootstrap's."""
    good = sorted((s for s in steps if s.blocks and s.failed_ratio <= MOST_FAILED_RATIO), key=lambda s: s.users)
    most = max((s.users for s in good), default=None)
    if len({s.users for s in good}) < FEWEST_STEPS:
        return Knee(users=None, beyond=most, why=f"fewer than {FEWEST_STEPS} steps without failures")
    points = [_point(step, _mean(step)) for step in good]
    unloaded = min(users / rate for users, rate in points)
    if all(rate >= BENT_RATIO * users / unloaded for users, rate in points[-2:]):
        return Knee(
            users=None,
            beyond=most,
            unloaded_seconds=_unloaded(unloaded, good),
            why="latency had not left the line at the highest number of users",
        )
    curve = fit(points, [_weight(step) for step in good])
    if curve is None:
        return Knee(users=None, beyond=most, why="throughput fell from the first step on: there is no line to leave")
    drawn = sorted(_bootstrap(good, Random(seed)))
    tail = (1 - CONFIDENCE_RATIO) / 2
    return Knee(
        users=curve.users,
        low=drawn[int(tail * (len(drawn) - 1))] if drawn else None,
        high=drawn[math.ceil((1 - tail) * (len(drawn) - 1))] if drawn else None,
        unloaded_seconds=_unloaded(curve.cycle_seconds, good),
        most_per_second=curve.most_per_second,
        sharpness=curve.sharpness,
        error_ratio=curve.error_ratio,
    )


def fit(points: Sequence[tuple[int, float]], weights: Sequence[float] | None = None) -> Curve | None:
    """The curve through points of users and requests per second; None where no rising line fits. ``weights`` say how
    much each point is to be trusted; without them all are alike.

    For a given p the equation is linear in ((R0 + Z)^p, Xmax^-p), so p alone is searched.
    """
    best: Curve | None = None
    for sharpness in _SHARPNESS:
        found = _linear(points, weights or [1.0] * len(points), sharpness)
        if found is not None and (best is None or found.error_ratio < best.error_ratio):
            best = found
    return best


def _linear(points: Sequence[tuple[int, float]], weights: Sequence[float], p: float) -> Curve | None:
    """Least squares of relative errors for one p."""
    # Scaled to the last point, for p-th powers neither overflow nor vanish then.
    users_unit, rate_unit = points[-1]
    aa = ab = bb = ay = by = 0.0
    for (users, rate), weight in zip(points, weights, strict=True):
        relative = (rate / rate_unit) ** p
        a, b = (users_unit / users) ** p * relative, relative
        aa += weight * a * a
        ab += weight * a * b
        bb += weight * b * b
        ay += weight * a
        by += weight * b
    determinant = aa * bb - ab * ab
    if determinant <= 1e-12 * aa * bb:
        return None
    slope, ceiling = (ay * bb - by * ab) / determinant, (aa * by - ab * ay) / determinant
    if slope <= 0 or ceiling <= 0:
        return None
    cycle, most = users_unit / rate_unit * slope ** (1 / p), rate_unit * ceiling ** (-1 / p)
    squares = [
        weight * (_curve(users, cycle, most, p) / rate - 1) ** 2
        for (users, rate), weight in zip(points, weights, strict=True)
    ]
    return Curve(cycle, most, p, math.sqrt(math.fsum(squares) / math.fsum(weights)))


def _curve(users: float, cycle: float, most: float, p: float) -> float:
    line = users / cycle
    low, high = min(line, most), max(line, most)
    return float(low / (1 + (low / high) ** p) ** (1 / p))


def _point(step: Step, response_seconds: float) -> tuple[int, float]:
    """Users and throughput by the interactive response time law; the known mean think time takes its noise out."""
    return step.users, step.users / max(response_seconds + step.think_seconds, 1e-9)


def _mean(step: Step) -> float:
    return math.fsum(b.completed * b.mean_seconds for b in step.blocks) / sum(b.completed for b in step.blocks)


def _weight(step: Step) -> float:
    """A step of a few requests says little: one of them may have been a worker's first."""
    return step.completed / (step.completed + TRUSTED_REQUESTS)


def _unloaded(cycle_seconds: float, steps: Sequence[Step]) -> float | None:
    """R0; None where it drowns in the noise of the pauses."""
    seconds = cycle_seconds - steps[0].think_seconds
    return seconds if seconds > 0 else None


def _bootstrap(steps: Sequence[Step], random: Random) -> list[float]:
    found = []
    weights = [_weight(step) for step in steps]
    for _ in range(RESAMPLES):
        points = []
        for step in steps:
            drawn = random.choices(step.blocks, k=len(step.blocks))
            mean = math.fsum(b.completed * b.mean_seconds for b in drawn) / sum(b.completed for b in drawn)
            points.append(_point(step, mean))
        curve = fit(points, weights)
        if curve is not None:
            found.append(curve.users)
    return found
