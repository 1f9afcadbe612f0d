"""Rounds -> stretches of time that they stand for; what lies between is a gap. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from msgspec import Struct

from slotwise.capacity.slots import SATURATED_RATIO
from slotwise.review.account import Figures, Gap
from slotwise.rules.postgres.slots_high import HIGH_RATIO
from slotwise.snapshot.round import Round

NOBODY = "nothing was recorded"
_MISSED_LOOKS = 3
"""So many intervals without a look are a gap and no late look."""


class Stretch(Struct, frozen=True):
    """The time that one round stands for."""

    since: float
    until: float
    round: Round

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.until - self.since


def stretches(rounds: Sequence[Round], since: float, until: float) -> list[Stretch]:
    """Each round with its time, cut to the period. A look stands for the time to the next one, unless that comes so
    late that nobody looked in between."""
    usual = _usual_interval(rounds)
    ends = [*(r.at for r in rounds[1:]), until]
    found = []
    for round_, following in zip(rounds, ends, strict=True):
        if round_.seconds:
            end = min(round_.at + round_.seconds, following) if following > round_.at else round_.at
        else:
            late = following - round_.at > _MISSED_LOOKS * usual
            end = round_.at + usual if late else following
        begin, end = max(round_.at, since), min(end, until)
        if end > begin:
            found.append(Stretch(begin, end, round_))
    return found


def gaps(known: Sequence[Stretch], since: float, until: float) -> list[Gap]:
    """The times without a count, joined where the reason is the same."""
    found: list[Gap] = []

    def add(begin: float, end: float, reason: str) -> None:
        if end - begin < 1.0:
            return
        if found and found[-1].reason == reason and begin - found[-1].until < 1.0:
            found[-1] = Gap(found[-1].since, end, reason)
        else:
            found.append(Gap(begin, end, reason))

    at = since
    for stretch in known:
        add(at, stretch.since, NOBODY)
        if stretch.round.used is None:
            add(stretch.since, stretch.until, stretch.round.gap or "the looks did not say why")
        at = max(at, stretch.until)
    add(at, until, NOBODY)
    return found


def figures(all_stretches: Sequence[Stretch], since: float, until: float) -> Figures:
    """What the slots were like from ``since`` to ``until``."""
    inside = [
        Stretch(max(s.since, since), min(s.until, until), s.round)
        for s in all_stretches
        if s.until > since and s.since < until and s.round.used is not None
    ]
    seen = sum(_seen_seconds(s) for s in inside)
    peak = max((s.round.used for s in inside if s.round.used is not None), default=None)
    usable = next((s.round.usable for s in reversed(inside) if s.round.usable is not None), None)
    return Figures(
        since,
        until,
        seen,
        _weighted_median(inside),
        sum(_mean(s.round) * s.seconds for s in inside) / sum(s.seconds for s in inside) if inside else None,
        peak,
        usable,
        sum(s.seconds for s in inside if (s.round.utilization_ratio or 0.0) >= HIGH_RATIO),
        sum(s.seconds for s in inside if (s.round.utilization_ratio or 0.0) >= SATURATED_RATIO),
    )


def _seen_seconds(stretch: Stretch) -> float:
    """Of a sum only the share of its looks that could count."""
    looks, known = stretch.round.looks, stretch.round.looks_known
    return stretch.seconds * (known / looks if known is not None and looks else 1.0)


def _mean(round_: Round) -> float:
    return round_.used_mean if round_.used_mean is not None else float(round_.used or 0)


def _weighted_median(inside: Sequence[Stretch]) -> float | None:
    ordered = sorted((_mean(s.round), s.seconds) for s in inside)
    half, passed = sum(seconds for _, seconds in ordered) / 2, 0.0
    for value, seconds in ordered:
        passed += seconds
        if passed >= half:
            return value
    return None


def _usual_interval(rounds: Sequence[Round]) -> float:
    steps = [b.at - a.at for a, b in pairwise(rounds) if not a.seconds and not b.seconds and b.at > a.at]
    return max(0.5, median(steps)) if steps else 60.0
