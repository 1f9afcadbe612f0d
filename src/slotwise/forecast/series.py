"""A history of counts: samples, gaps, and where it was cut off by a restart or a lasting step."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from slotwise.forecast.robust import Point, noise, quantile


class Sample(Struct, frozen=True):
    """One count at a moment (epoch seconds). ``used`` None is a gap: nobody could look. ``restarted`` marks a known
    restart."""

    at: float
    used: float | None
    restarted: bool = False


def buckets(samples: Sequence[Sample], width_seconds: float, share: float) -> list[Point]:
    """The ``share`` quantile of each bucket of ``width_seconds``, at the bucket's middle; empty buckets are left
    out."""
    groups: dict[int, list[float]] = {}
    for sample in samples:
        if sample.used is not None:
            groups.setdefault(int(sample.at // width_seconds), []).append(sample.used)
    return [((number + 0.5) * width_seconds, quantile(group, share)) for number, group in sorted(groups.items())]


def since_restart(samples: Sequence[Sample]) -> list[Sample]:
    """The samples after the last restart: a marked one, or a fall to less than half within one step that stays, and to
    less than had been seen since the restart before.

    What it falls from is the level of the samples before, so that the end of a burst is no restart; and a batch ends at
    the level from which it began.
    """
    known = [s for s in sorted(samples, key=lambda s: s.at) if s.used is not None or s.restarted]
    start = 0
    last: float | None = None
    for number, sample in enumerate(known):
        if sample.restarted:
            start, last = number, None
        if sample.used is None:
            continue
        if last is not None and last >= 10 and sample.used < last / 2:
            before = _level(known[max(start, number - _AROUND) : number])
            after = _level(known[number : number + _AROUND])
            if before is not None and after is not None and before >= 10 and after < before / 2:
                usual = [s.used for s in known[start:number] if s.used is not None]
                if after < 0.8 * quantile(usual, 0.05):
                    start = number
        last = sample.used
    return known[start:]


_AROUND = 5


def _level(samples: Sequence[Sample]) -> float | None:
    values = [s.used for s in samples if s.used is not None]
    return median(values) if values else None


def last_step(points: Sequence[Point], least: float) -> int:
    """Index of the first bucket after the last lasting step, 0 where there is none.

    A step is a jump between two neighbouring buckets of at least ``least`` that explains nearly the whole change
    from the
    six buckets before to the six after: a deploy, one more database, one more worker. A slope has no such jump.
    """
    found = 0
    values = [value for _, value in points]
    for n in range(3, len(values) - 3):
        jump = values[n] - values[n - 1]
        before, after = values[max(0, n - 6) : n], values[n : n + 6]
        shift = median(after) - median(before)
        if abs(jump) >= least and jump * shift > 0 and abs(jump) >= 0.7 * abs(shift) and abs(shift) >= least:
            scatter = max(noise(before), noise(after), 0.5)
            if abs(jump) > 5 * scatter:
                found = n
    return found
