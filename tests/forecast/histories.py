"""Generated histories with a known truth: what a month of an Odoo host's slots looks like, sample by sample."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from slotwise.forecast.series import Sample

HOUR, DAY = 3600.0, 86400.0


def history(
    days: float,
    *,
    seed: int,
    base: float = 20,
    daily: float = 0,
    weekend: float = 1.0,
    scatter: float = 1.0,
    burst: float = 0,
    leak_per_hour: float = 0,
    leak_from: float = 0,
    step: float = 0,
    step_at: float = 0,
    more: Sequence[tuple[float, float]] = (),
    nightly: float = 0,
    restart_every: float = 0,
    gap_share: float = 0,
    every: float = 60,
) -> list[Sample]:
    """Counts every ``every`` seconds for ``days`` from a Monday's midnight; times in seconds from there.

    ``more`` are lasting steps, each (when, how many): one more database each. ``nightly`` is a batch from 2 to 3
    o'clock.
    """
    chance = random.Random(seed)
    samples: list[Sample] = []
    leaked = 0.0
    at = 0.0
    while at < days * DAY:
        hour = at % DAY / HOUR
        busy = max(0.0, math.sin((hour - 7) / 12 * math.pi)) if 7 <= hour <= 19 else 0.0
        day_factor = weekend if int(at // DAY) % 7 >= 5 else 1.0
        value = base + daily * busy * day_factor + chance.gauss(0, scatter)
        if burst and chance.random() < 0.01:
            value += burst * chance.random()
        if restart_every and at and at % restart_every < every:
            leaked = 0.0
        if leak_per_hour and at >= leak_from:
            leaked += leak_per_hour * every / HOUR
        if step and at >= step_at:
            value += step
        value += sum(size for when, size in more if at >= when)
        value += nightly if 2 <= hour < 3 else 0.0
        used = None if chance.random() < gap_share else float(max(0, round(value + math.floor(leaked))))
        samples.append(Sample(at, used))
        at += every
    return samples
