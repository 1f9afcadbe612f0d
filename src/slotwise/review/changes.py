"""Before and after a change, at the same hours of the day where the history reaches so far. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from slotwise.review.account import Change, Figures, Setting
from slotwise.review.stretches import Stretch, figures
from slotwise.review.told import asked
from slotwise.snapshot.round import Configured, Round

DAY = 86400.0
LEAST_SEEN = 0.5
"""A window of which less was seen is no fair comparison."""
_FEWEST_SECONDS = 60.0


def configuration_changes(
    configured: Sequence[Configured], since: float, until: float
) -> list[tuple[float, tuple[Setting, ...]]]:
    """When which settings changed. A name that was not seen before is no change."""
    found = []
    for before, after in pairwise(configured):
        settings = tuple(
            Setting(name, before.values[name], value)
            for name, value in sorted(after.values.items())
            if name in before.values and before.values[name] != value
        )
        if settings and since < after.at < until:
            found.append((after.at, settings))
    return found


def compared(
    known: Sequence[Stretch],
    since: float,
    until: float,
    at: float,
    settings: tuple[Setting, ...],
    *,
    given: bool,
    neighbours: Sequence[float],
) -> Change:
    """The time after ``at`` against a time before it. ``known`` may begin before ``since``; ``neighbours`` are the
    moments of other changes, across which nothing is compared."""
    ends = min([until, *(n for n in neighbours if n > at)])
    begins = max([known[0].since if known else since, *(n for n in neighbours if n < at)])
    after_end, before_begin, note = _windows(at, begins, ends)
    before_end = before_begin + (after_end - at)
    before = _fair(figures(known, before_begin, before_end)) if before_begin >= begins else None
    after = _fair(figures(known, at, after_end))
    gone, new = _findings(known, begins, at, ends)
    if before is None or after is None:
        side = "before" if before is None else "after"
        note = f"too little was recorded {side} the change to compare"
    last = max((s.since for s in known if s.since < at), default=None)
    return Change(at, given, settings, before, after, gone, new, note, last)


def _windows(at: float, begins: float, ends: float) -> tuple[float, float, str | None]:
    """The end of the time after, the begin of the time before, and what to know about them."""
    after, before = ends - at, at - begins
    days = min(after, before) // DAY
    if days >= 1:
        return at + days * DAY, at - days * DAY, None
    if before >= DAY and after <= DAY:
        return ends, at - DAY, "the time before is the same hours of the day before"
    length = min(after, before)
    return at + length, at - length, "the two times are different hours of the day: load differs, not only the change"


def _fair(found: Figures) -> Figures | None:
    length = found.until - found.since
    return found if length >= _FEWEST_SECONDS and found.seen_seconds >= LEAST_SEEN * length else None


def _findings(
    known: Sequence[Stretch], begins: float, at: float, ends: float
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Rules that spoke before and not after, and the other way round. Where a side was not judged: none."""
    judged = asked(known)
    before = [s for s in judged if begins <= s.since and s.until <= at]
    after = [s for s in judged if at <= s.since < ends]
    if not before or not after:
        return (), ()
    then, now = before[-1].round, after[-1].round
    return _only_in(then, now), _only_in(now, then)


def _only_in(one: Round, other: Round) -> tuple[str, ...]:
    """Rules that found something in ``one`` and, asked with evidence, nothing in ``other``."""
    there = {f.id for f in other.findings} | set(other.unjudged)
    return tuple(sorted({f"{f.id} {f.slug}" for f in one.findings if f.id not in there}))
