"""Two load tests side by side: what is better, what is worse, and what cannot be compared."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from slotwise.load.measures import Step
from slotwise.load.report import LoadReport

COMPARISON_SCHEMA = "slotwise.load.compare/1"
NOISE_RATIO = 0.05
"""A change of so little is called the same where no interval says more."""

Change = Literal["better", "worse", "same", "unknown"]


class Compared(Struct, frozen=True, kw_only=True):
    """One figure of both runs. None is not known."""

    name: str
    unit: str
    a: float | None
    b: float | None
    change: Change


class Comparison(Struct, frozen=True, kw_only=True):
    """Run B beside run A. ``different`` names what was asked of them differently: a change may come from that."""

    schema: str = COMPARISON_SCHEMA
    a: str
    b: str
    rows: tuple[Compared, ...]
    wall_a: str | None
    wall_b: str | None
    different: tuple[str, ...]

    @property
    def worse(self) -> bool:
        """Whether B is worse in anything."""
        return any(row.change == "worse" for row in self.rows) or (self.wall_a is None and self.wall_b is not None)


def compare(a: LoadReport, b: LoadReport, names: tuple[str, str]) -> Comparison:
    """Put B beside A. ``names``: what the runs are called, files for instance."""
    rows = [
        _knees(a, b),
        _row("most requests", "1/s", a.knee.most_per_second, b.knee.most_per_second, more_is_better=True),
        _row("response unloaded", "s", a.knee.unloaded_seconds, b.knee.unloaded_seconds, more_is_better=False),
        _row("slots at the knee", "slots", a.used_at_knee, b.used_at_knee, more_is_better=False),
        _row("headroom at the knee", "of 1", a.headroom_ratio, b.headroom_ratio, more_is_better=True),
    ]
    common = sorted({s.users for s in a.steps} & {s.users for s in b.steps})
    if common:
        at = common[-1]
        one, other = _at(a, at), _at(b, at)
        rows.append(_row(f"p95 at {at} users", "s", _p95(one), _p95(other), more_is_better=False))
        rows.append(_row(f"failed at {at} users", "requests", one.failed, other.failed, more_is_better=False))
    every = sorted({*a.scenario, *b.scenario})
    different = tuple(
        f"{name}: {a.scenario.get(name)} and {b.scenario.get(name)}"
        for name in every
        if a.scenario.get(name) != b.scenario.get(name)
    )
    if a.kind != b.kind:
        different = (f"kind: {a.kind} and {b.kind}", *different)
    return Comparison(
        a=names[0],
        b=names[1],
        rows=tuple(rows),
        wall_a=a.wall.wall if a.wall else None,
        wall_b=b.wall.wall if b.wall else None,
        different=different,
    )


def _knees(a: LoadReport, b: LoadReport) -> Compared:
    """Different only where the intervals do not overlap."""
    row = _row("knee", "users", a.knee.users, b.knee.users, more_is_better=True)
    one, other = a.knee, b.knee
    if None not in (one.low, one.high, other.low, other.high) and row.change in ("better", "worse"):
        assert one.low is not None and one.high is not None and other.low is not None and other.high is not None
        if one.low <= other.high and other.low <= one.high:
            return Compared(name=row.name, unit=row.unit, a=row.a, b=row.b, change="same")
    return row


def _row(name: str, unit: str, a: float | None, b: float | None, *, more_is_better: bool) -> Compared:
    change: Change
    if a is None or b is None:
        change = "unknown"
    elif abs(b - a) <= NOISE_RATIO * max(abs(a), abs(b)):
        change = "same"
    else:
        change = "better" if (b > a) == more_is_better else "worse"
    return Compared(name=name, unit=unit, a=a, b=b, change=change)


def _at(report: LoadReport, users: int) -> Step:
    return next(step for step in report.steps if step.users == users)


def _p95(step: Step) -> float | None:
    return None if step.latency is None else step.latency.p95
