"""Who held the slots: at a moment, over a period, and who held more at its end. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from slotwise.review.account import Grown, Held, PartHeld, Peak, PoolWorst
from slotwise.review.stretches import Stretch
from slotwise.snapshot.round import HolderCount, PoolCount, Round

MOST_HELD = 12
LEAST_GROWTH = 3
"""Fewer connections more are no growth that anybody should read about."""


def part_of(holder: HolderCount) -> str:
    """The role in Odoo, else the program's name, else how sure the owner is."""
    if holder.role != "unknown":
        return holder.role
    return holder.process or f"{holder.owner} client"


def parts_of(round_: Round) -> Counter[str]:
    """Sessions by part."""
    counts: Counter[str] = Counter()
    for holder in round_.holders:
        counts[part_of(holder)] += holder.count
    return counts


def held(round_: Round, most: int = MOST_HELD) -> tuple[Held, ...]:
    """The largest holders of one look."""
    counts: Counter[tuple[str, int | None, str | None]] = Counter()
    for holder in round_.holders:
        counts[part_of(holder), holder.pid, holder.database] += holder.count
    return tuple(Held(part, pid, database, count) for (part, pid, database), count in counts.most_common(most))


def peak_of(round_: Round) -> Peak | None:
    """The peak as this round shows it."""
    if round_.used is None:
        return None
    states: Counter[str] = Counter()
    for holder in round_.holders:
        states[holder.state] += holder.count
    return Peak(
        round_.at, round_.at + round_.seconds, round_.used, round_.usable, held(round_), dict(states.most_common())
    )


def parts(known: Sequence[Stretch], peak: Round | None) -> tuple[PartHeld, ...]:
    """What each part held, the largest mean first. Sums show their holders at their peak, so that the mean of a part
    over sums is on the high side."""
    whole = sum(s.seconds for s in known)
    most: Counter[str] = Counter()
    sums: dict[str, float] = {}
    for stretch in known:
        for part, count in parts_of(stretch.round).items():
            sums[part] = sums.get(part, 0.0) + count * stretch.seconds
            most[part] = max(most[part], count)
    at_peak = parts_of(peak) if peak is not None else Counter[str]()
    found = [PartHeld(part, total / whole, most[part], at_peak[part]) for part, total in sums.items()] if whole else []
    return tuple(sorted(found, key=lambda p: (-p.mean, p.part)))


def grown(known: Sequence[Stretch], most: int = 8) -> tuple[Grown, ...]:
    """The processes that held clearly more at their last look than at their first."""
    first: dict[int, tuple[float, int]] = {}
    last: dict[int, tuple[float, int, str]] = {}
    for stretch in known:
        counts: Counter[int] = Counter()
        names: dict[int, str] = {}
        for holder in stretch.round.holders:
            if holder.pid is not None:
                counts[holder.pid] += holder.count
                names[holder.pid] = part_of(holder)
        for pid, count in counts.items():
            first.setdefault(pid, (stretch.since, count))
            last[pid] = (stretch.since, count, names[pid])
    found = [
        Grown(last[pid][2], pid, first_at, count, last[pid][0], last[pid][1])
        for pid, (first_at, count) in first.items()
        if last[pid][1] - count >= LEAST_GROWTH
    ]
    return tuple(sorted(found, key=lambda g: (g.first - g.last, g.pid))[:most])


def worst_pools(known: Sequence[Stretch]) -> tuple[PoolWorst, ...]:
    """Each pool's worst moment, the longest wait first; pools in which nobody waited are left out."""
    worst: dict[tuple[str, str, str], tuple[PoolCount, float]] = {}
    for stretch in known:
        for pool in stretch.round.pools:
            key = (pool.address, pool.database, pool.user)
            have = worst.get(key)
            if have is None or (pool.maxwait_seconds, pool.cl_waiting) > (have[0].maxwait_seconds, have[0].cl_waiting):
                worst[key] = (pool, stretch.since)
    found = [
        PoolWorst(pool.address, pool.database, pool.user, at, pool.cl_waiting, pool.maxwait_seconds)
        for pool, at in worst.values()
        if pool.cl_waiting or pool.maxwait_seconds > 0
    ]
    return tuple(sorted(found, key=lambda p: (-p.maxwait_seconds, -p.waiting, p.database)))
