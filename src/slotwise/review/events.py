"""What happened to the slots: stretches near the wall, refusals, restarts of the server. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from slotwise.capacity.slots import SATURATED_RATIO
from slotwise.review.account import Event
from slotwise.review.holdings import held
from slotwise.review.stretches import Stretch
from slotwise.rules.postgres.slots_high import HIGH_RATIO
from slotwise.snapshot.round import is_restart

JOINED_SECONDS = 120.0
"""What follows within this time is the same event, as for refusals in logs (slotwise.walls.incidents)."""
_WHO = 5


def events(known: Sequence[Stretch], until: float) -> tuple[Event, ...]:
    """Every event of the period, by time."""
    found = [*_near_the_wall(known, until), *_refused(known), *_restarts(known)]
    return tuple(sorted(found, key=lambda e: (e.since, e.kind)))


def _near_the_wall(known: Sequence[Stretch], until: float) -> Iterator[Event]:
    for run in _runs(s for s in known if (s.round.utilization_ratio or 0.0) >= HIGH_RATIO):
        worst = max(run, key=lambda s: s.round.utilization_ratio or 0.0)
        ratio, used, usable = worst.round.utilization_ratio or 0.0, worst.round.used, worst.round.usable
        full = [s for s in run if (s.round.utilization_ratio or 0.0) >= SATURATED_RATIO]
        words = f"{used} of {usable} usable slots taken ({ratio:.0%})"
        if full:
            words += f"; at 95 % or above for {_duration(sum(s.seconds for s in full))}"
        yield Event(
            "saturated" if full else "high",
            run[0].since,
            run[-1].until,
            used,
            words,
            held(worst.round, _WHO),
            open=until - run[-1].until < 1.0,
        )


def _refused(known: Sequence[Stretch]) -> Iterator[Event]:
    """Looks tell what the log says so far: only what is more than in the look before has just happened."""
    before: dict[str, int] | None = None
    grown: list[tuple[Stretch, dict[str, int]]] = []
    for stretch in known:
        walls = stretch.round.walls
        if before is not None:
            more = {w: n - before.get(w, 0) for w, n in walls.items() if n > before.get(w, 0)}
            if more:
                grown.append((stretch, more))
        # None read is not none there: the log may not have been readable in this look.
        before = walls or before or {}
    added = {id(s): more for s, more in grown}
    for run in _runs(s for s, _ in grown):
        counts: dict[str, int] = {}
        for stretch in run:
            for wall, count in added[id(stretch)].items():
                counts[wall] = counts.get(wall, 0) + count
        refused = sum(counts.values())
        yield Event("refused", run[0].since, run[-1].until, refused, f"{refused} refusals in the logs", walls=counts)


def _restarts(known: Iterable[Stretch]) -> Iterator[Event]:
    started: float | None = None
    seen_at = 0.0
    for stretch in known:
        now = stretch.round.server_started_at
        if now is None:
            continue
        restarted = started is not None and is_restart(started, seen_at, now)
        before, seen_at = seen_at, stretch.round.at
        if restarted:
            # Between the looks that saw the one and the other; the server's clock may disagree.
            at = min(max(now, before), stretch.until)
            yield Event("restart", at, at, None, "PostgreSQL was started anew: every session before it has ended")
        started = now if started is None or restarted else started


def _runs(chosen: Iterable[Stretch]) -> Iterator[list[Stretch]]:
    run: list[Stretch] = []
    for stretch in chosen:
        if run and stretch.since - run[-1].until > JOINED_SECONDS:
            yield run
            run = []
        run.append(stretch)
    if run:
        yield run


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
