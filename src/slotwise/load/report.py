"""Everything that a load test says, as one value for every face: JSON ``slotwise.load/1`` is this value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from slotwise.capacity.plan import PlanSetting
from slotwise.load.growth import Growing, growing
from slotwise.load.knee import Knee, knee
from slotwise.load.measures import Step
from slotwise.load.ramp import Goal, Stop, goal_met

SCHEMA = "slotwise.load/1"

Kind = Literal["connections", "http"]

SATURATED_RATIO = 0.95


class WallMet(Struct, frozen=True, kw_only=True):
    """The wall that refused first, whom it refused, and at how many users. ``words`` are the refusal's own."""

    wall: str
    role: str
    users: int
    count: int
    words: str


class RoleBeside(Struct, frozen=True, kw_only=True):
    """Slots of one role: the plan's typical and peak beside the most that was measured. None: not modelled, not
    measured."""

    role: str
    typical: int | None
    peak: int | None
    measured: int | None


class Model(Struct, frozen=True, kw_only=True):
    """What the plan says of this installation, and the knee that queueing theory expects where service times are known.

    ``servers`` is what the model takes as the bottleneck: requests that are served at once.
    """

    roles: tuple[RoleBeside, ...] = ()
    knee_users: float | None = None
    servers: int | None = None
    bottleneck: str | None = None
    gap: str | None = None


class Remedy(Struct, frozen=True, kw_only=True):
    """The configuration that would move the wall; ``title`` and ``reason`` are the plan's."""

    title: str
    reason: str
    settings: tuple[PlanSetting, ...]


class LoadReport(Struct, frozen=True, kw_only=True):
    """One load test. ``scenario`` is what was asked for, as names and values; times are epoch seconds and seconds.

    ``headroom_ratio`` is the free part of the usable slots at the knee (at the last step where there is none).
    """

    schema: str = SCHEMA
    slotwise_version: str
    kind: Kind
    subject: str
    started_at: float
    seconds: float
    scenario: dict[str, str | int | float | None]
    steps: tuple[Step, ...]
    stop: Stop
    knee: Knee
    wall: WallMet | None
    growing: tuple[Growing, ...]
    goal: str | None
    goal_met: bool | None
    used_at_knee: int | None
    usable: int | None
    headroom_ratio: float | None
    model: Model = Model(gap="not asked")
    remedy: Remedy | None = None
    notes: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether no wall was met, nothing leaks and the goal, if there was one, is met."""
        return self.wall is None and not self.growing and self.goal_met is not False


def wall_met(steps: Sequence[Step]) -> WallMet | None:
    """What was refused at the fewest users, the most frequent first. A failure that is no wall is not one."""
    for step in sorted(steps, key=lambda s: s.users):
        real = [one for one in step.refused if one.wall not in ("error", "network", "other_not_connection")]
        if real:
            worst = max(real, key=lambda one: one.count)
            return WallMet(wall=worst.wall, role=worst.role, users=step.users, count=worst.count, words=worst.words)
    return None


def used_at(steps: Sequence[Step], found: Knee) -> int | None:
    """Slots in use at the step nearest to the knee, at the highest step where there is none."""
    seen = [step for step in steps if step.slots.used is not None]
    if not seen:
        return None
    if found.users is None:
        return max(seen, key=lambda s: s.users).slots.used
    at = found.users
    return min(seen, key=lambda s: abs(s.users - at)).slots.used


def report_of(
    *,
    slotwise_version: str,
    kind: Kind,
    subject: str,
    started_at: float,
    seconds: float,
    scenario: dict[str, str | int | float | None],
    steps: Sequence[Step],
    stop: Stop,
    wanted: Goal,
    seed: int = 1,
    model: Model | None = None,
    remedy: Remedy | None = None,
    notes: tuple[str, ...] = (),
) -> LoadReport:
    """Judge the steps."""
    found = knee(steps, seed)
    used = used_at(steps, found)
    usable = next((s.slots.usable for s in reversed(steps) if s.slots.usable is not None), None)
    asked = None if wanted == Goal() else wanted.words
    return LoadReport(
        slotwise_version=slotwise_version,
        kind=kind,
        subject=subject,
        started_at=started_at,
        seconds=seconds,
        scenario=scenario,
        steps=tuple(steps),
        stop=stop,
        knee=found,
        wall=wall_met(steps),
        growing=growing(steps),
        goal=asked,
        goal_met=None if asked is None else any(goal_met(step, wanted) for step in steps),
        used_at_knee=used,
        usable=usable,
        headroom_ratio=None if used is None or not usable else max(0.0, 1 - used / usable),
        model=model or Model(gap="no plan was made"),
        remedy=remedy,
        notes=notes,
    )
