"""Whether one process's growth is a leak: told apart from warming up, from more databases and from more load.

Odoo's pool keeps what it once opened until it has been idle for ten minutes (odoo/sql_db.py, MAX_IDLE_TIMEOUT, 17.0 to
19.0), and hands idle ones out again in no order that lets the surplus rest, so the count follows the highest load of
late and not the present one. A leak is what grows on after the load has been that high before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from slotwise.forecast.robust import Point, Slope, noise, quantile, theil_sen

HOUR = 3600.0
WARM_UP_SECONDS = 1800.0
"""After its start a process opens what its work needs for the first time."""
SHORTEST_SECONDS = HOUR
FEWEST_BUCKETS = 8
MOST_BUCKETS = 48
LEAST_RISE = 3.0
"""Fewer connections than this are no growth that anybody should be woken for."""
LONG_SECONDS = 3 * HOUR
LARGE_RISE = 25.0
"""A rise must have gone on for so long to be a leak, or be so large: many loads rise for an hour or two in a day."""
SURE_Z = 3.0

Cause = Literal["leak", "warm-up", "more databases", "more load", "flat", "unknown"]


class Holding(Struct, frozen=True):
    """What one process holds at a moment: connections by database. ``load`` is what it or the server has to do then
    (active sessions), None where nobody could see it."""

    at: float
    by_database: dict[str, int]
    load: float | None

    @property
    def count(self) -> int:
        """All its connections."""
        return sum(self.by_database.values())


class Growth(Struct, frozen=True):
    """Why a process holds more than it did, in words; with a *leak* its slope, connections an hour, and the slope's
    95 % interval. ``since`` is where the growth that was judged begins, epoch seconds."""

    cause: Cause
    reason: str
    per_hour: float | None = None
    low_per_hour: float | None = None
    high_per_hour: float | None = None
    since: float | None = None


def growth(holdings: Sequence[Holding], started_at: float | None = None) -> Growth:
    """Judge the life of one process. Holdings may be unordered and have gaps; ``started_at`` is the process's start,
    None where it is not known."""
    known = sorted(holdings, key=lambda h: h.at)
    warm = known[0].at if known and started_at is None else (started_at or 0.0) + WARM_UP_SECONDS
    grown = [h for h in known if h.at >= warm]
    if len(grown) < FEWEST_BUCKETS or grown[-1].at - grown[0].at < SHORTEST_SECONDS:
        if known and started_at is not None and known[-1].at < warm + SHORTEST_SECONDS:
            return Growth("warm-up", "the process started too short a time ago")
        return Growth("unknown", "too little of its life was seen")
    everything = _floors(grown, None)
    slope = _sure(everything)
    if slope is None:
        return Growth("flat", "no growth that stands out")
    loads = _loads(known)
    if _levelled_off(everything, slope):
        if loads and _settled(loads) > grown[0].at:
            return Growth("more load", "it grew with the load, and has levelled off")
        return Growth("warm-up", "it grew, and has levelled off")
    first = grown[: max(1, len(grown) // 4)]
    databases = frozenset(name for h in first for name in h.by_database)
    same = _sure(_floors(grown, databases))
    if same is None:
        more = len({name for h in grown for name in h.by_database} - databases)
        return Growth("more databases", f"it serves {more} more databases, and holds no more on those of before")
    return _at_flat_load(grown, loads, databases)


def _at_flat_load(grown: list[Holding], loads: list[Point], databases: frozenset[str]) -> Growth:
    """What grew since the load was last higher than ever before."""
    if not loads or loads[-1][0] < grown[-1].at - SHORTEST_SECONDS:
        return Growth("unknown", "it grows, and whether the load does is not known")
    settled = _settled(loads)
    after = [h for h in grown if h.at >= settled]
    if len(after) < FEWEST_BUCKETS or after[-1].at - after[0].at < SHORTEST_SECONDS:
        return Growth("more load", "the load has just been higher than ever before in its life")
    points = _floors(after, databases)
    slope = _sure(points)
    if slope is None or _levelled_off(points, slope):
        return Growth("more load", "it grew with the load, and not since the load has stopped growing")
    rising = theil_sen([p for p in loads if p[0] >= points[0][0]])
    if rising is not None and rising.low > 0 and rising.z >= SURE_Z and rising.per_second >= slope.per_second / 4:
        return Growth("more load", "the load grows as it does, although not by leaps")
    rise = points[-1][1] - points[0][1]
    seconds = points[-1][0] - points[0][0]
    if seconds < LONG_SECONDS and rise < LARGE_RISE:
        return Growth("unknown", f"it has grown for {seconds / HOUR:.1f} h only, and by {rise:.0f}")
    if _fallen(points) > max(2.0, rise / 3):
        return Growth("flat", "it rises and falls, and what leaks does not come back")
    hours = seconds / HOUR
    reason = f"{rise:.0f} more in {hours:.1f} h on the same databases at a load that was there before"
    return Growth("leak", reason, slope.per_second * HOUR, slope.low * HOUR, slope.high * HOUR, points[0][0])


def _floors(holdings: Sequence[Holding], databases: frozenset[str] | None) -> list[Point]:
    """The low level of each bucket: what is held even when nothing happens, on ``databases`` or on all."""
    width = max(60.0, (holdings[-1].at - holdings[0].at) / MOST_BUCKETS)
    groups: dict[int, list[float]] = {}
    for h in holdings:
        count = sum(n for name, n in h.by_database.items() if databases is None or name in databases)
        groups.setdefault(int((h.at - holdings[0].at) // width), []).append(count)
    return [(holdings[0].at + (number + 0.5) * width, quantile(g, 0.1)) for number, g in sorted(groups.items())]


def _sure(points: list[Point]) -> Slope | None:
    """The slope where it is certainly upwards and has come to something."""
    if len(points) < FEWEST_BUCKETS:
        return None
    slope = theil_sen(points)
    if slope is None or slope.low <= 0 or slope.z < SURE_Z:
        return None
    rise = slope.per_second * (points[-1][0] - points[0][0])
    return slope if rise >= max(LEAST_RISE, 3 * noise([value for _, value in points])) else None


def _fallen(points: list[Point]) -> float:
    """The deepest fall below what was reached before."""
    highest = deepest = 0.0
    for _, value in points:
        highest = max(highest, value)
        deepest = max(deepest, highest - value)
    return deepest


def _levelled_off(points: list[Point], slope: Slope) -> bool:
    """Whether the last third has less than a quarter of the whole's slope."""
    last = points[-max(4, len(points) // 3) :]
    late = (last[-1][1] - last[0][1]) / max(1.0, last[-1][0] - last[0][0])
    return late < slope.per_second / 4


def _loads(holdings: Sequence[Holding]) -> list[Point]:
    """The high level of the load, bucket by bucket, over the whole life."""
    width = max(60.0, (holdings[-1].at - holdings[0].at) / MOST_BUCKETS)
    groups: dict[int, list[float]] = {}
    for h in holdings:
        if h.load is not None:
            groups.setdefault(int(h.at // width), []).append(h.load)
    return [((number + 0.5) * width, quantile(g, 0.9)) for number, g in sorted(groups.items())]


def _settled(loads: list[Point]) -> float:
    """Since when the load has not been clearly higher (1, or a fifth) than ever before."""
    since, highest = loads[0]
    for at, load in loads[1:]:
        if load > highest + max(1.0, 0.2 * highest):
            since = at
            highest = load
    return since
