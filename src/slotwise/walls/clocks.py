"""How far the clocks of the logs are apart: both sides write a refusal, so equal refusals lie one offset apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import median

import msgspec

from slotwise.walls.events import LogEvent

MAX_OFFSET_SECONDS = 15 * 3600.0
"""Further apart than all time zones is another day, not another clock."""
SAME_SECONDS = 2.0
"""Two sides write the same refusal within this."""
_MAX_EVENTS = 500
_MIN_PAIRS = 3
_ORDER = ("postgres", "pgbouncer", "odoo", "client", "kernel", "unknown")


class ClockOffset(msgspec.Struct, frozen=True):
    """How far the clock of ``layer`` is ahead of the one of ``against``."""

    layer: str
    against: str
    seconds: float | None
    """Positive: its times are later than they should be. None: it could not be estimated (too few common refusals)."""
    pairs: int
    """Refusals that both sides tell at this offset."""


def estimate_offsets(events: Iterable[LogEvent]) -> tuple[ClockOffset, ...]:
    """One offset for each layer beside the first of postgres, pgbouncer, odoo that is there."""
    moments: dict[str, dict[str, list[float]]] = {}
    for event in events:
        if event.seconds is not None and event.wall.refuses and not event.echo:
            walls = moments.setdefault(event.layer, {})
            times = walls.setdefault(event.wall.value, [])
            if len(times) < _MAX_EVENTS:
                times.append(event.seconds)
    layers = sorted(moments, key=lambda layer: _ORDER.index(layer) if layer in _ORDER else len(_ORDER))
    if len(layers) < 2:
        return ()
    reference = layers[0]
    return tuple(_offset(layer, reference, moments) for layer in layers[1:])


def _offset(layer: str, against: str, moments: dict[str, dict[str, list[float]]]) -> ClockOffset:
    differences: list[float] = []
    possible = 0
    for wall, times in moments[layer].items():
        others = moments[against].get(wall, [])
        possible += min(len(times), len(others))
        differences.extend(
            mine - theirs for mine in times for theirs in others if abs(mine - theirs) <= MAX_OFFSET_SECONDS
        )
    if not differences:
        return ClockOffset(layer, against, None, 0)
    bins = Counter(round(difference / SAME_SECONDS) for difference in differences)
    support = {at: bins[at] + max(bins[at - 1], bins[at + 1]) for at in bins}
    best = max(support.values())
    # Refusals that repeat at a steady pace fit many offsets: the smallest of the good ones is the likeliest clock.
    chosen = min((at for at, count in support.items() if count >= 0.9 * best), key=abs)
    close = [difference for difference in differences if abs(difference - chosen * SAME_SECONDS) <= SAME_SECONDS]
    seconds = median(close)
    if abs(seconds) <= SAME_SECONDS:
        return ClockOffset(layer, against, round(seconds, 3), len(close))
    if len(close) < max(_MIN_PAIRS, 0.3 * possible):
        return ClockOffset(layer, against, None, len(close))
    return ClockOffset(layer, against, round(seconds, 3), len(close))
