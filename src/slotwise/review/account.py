"""The nouns of a report on a period. Times are epoch seconds; None is *not known*, never zero."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from slotwise.forecast.saturation import Forecast
from slotwise.walls.incidents import Incident

EventKind = Literal["saturated", "high", "refused", "restart"]
Ending = Literal["gone", "still there"]


class Point(Struct, frozen=True):
    """A moment of the drawing: ``used`` is the peak of its stretch, None a gap. ``parts``: sessions by who held them
    then."""

    at: float
    used: int | None
    usable: int | None
    parts: dict[str, int]


class Gap(Struct, frozen=True):
    """A time in which nobody counted, and why: the recorder did not run, or its looks could not see."""

    since: float
    until: float
    reason: str


class Held(Struct, frozen=True):
    """Who held how many sessions: ``part`` is the role in Odoo, else the program, else how sure its owner is."""

    part: str
    pid: int | None
    database: str | None
    count: int


class Peak(Struct, frozen=True):
    """The most slots that were taken. ``until`` is later than ``at`` where only a sum of several looks is left."""

    at: float
    until: float
    used: int
    usable: int | None
    held: tuple[Held, ...]
    states: dict[str, int]


class Event(Struct, frozen=True):
    """Something that happened to the slots.

    *high*, *saturated*: at 80 % and 95 % of the usable slots or above, ``worst`` the slots taken then. *refused*:
    refusals that the looks read in logs, ``worst`` how many more than before, ``walls`` by the wall that refused.
    *restart*: PostgreSQL started anew.
    ``open`` says that it went on when the period ended.
    """

    kind: EventKind
    since: float
    until: float
    worst: int | None
    words: str
    held: tuple[Held, ...] = ()
    walls: dict[str, int] = {}
    open: bool = False


class FindingTold(Struct, frozen=True):
    """A finding that came, and perhaps went. ``spans`` are the times from the first look that had it to the first that
    did not; ``ending`` is its state in the last look that could judge it."""

    id: str
    slug: str
    severity: str
    subject: str | None
    spans: tuple[tuple[float, float], ...]
    ending: Ending

    @property
    def seconds(self) -> float:
        """How long it was there in all."""
        return sum(until - since for since, until in self.spans)


class PartHeld(Struct, frozen=True):
    """Sessions that one part held: mean over the time that was seen, most, and at the period's peak."""

    part: str
    mean: float
    most: int
    at_peak: int


class Grown(Struct, frozen=True):
    """A process that held more at its last look than at its first."""

    part: str
    pid: int
    first_at: float
    first: int
    last_at: float
    last: int


class PoolWorst(Struct, frozen=True):
    """The worst moment of one PgBouncer pool."""

    address: str
    database: str
    user: str
    at: float
    waiting: int
    maxwait_seconds: float


class Figures(Struct, frozen=True):
    """What the slots were like between two moments. ``seen_seconds`` is the time in which somebody counted; the other
    times are parts of it. *high* and *saturated* hold for a stretch of looks where they were reached in it."""

    since: float
    until: float
    seen_seconds: float
    median: float | None
    mean: float | None
    peak: int | None
    usable: int | None
    high_seconds: float
    saturated_seconds: float


class Setting(Struct, frozen=True):
    """One name whose value changed."""

    name: str
    before: str
    after: str


class Change(Struct, frozen=True):
    """A change: given by the operator, or seen in what the history keeps of the configuration.

    ``after_look`` is the last look that saw the old values, None where it is not known. ``note`` says what the
    comparison cannot say.
    """

    at: float
    given: bool
    settings: tuple[Setting, ...]
    before: Figures | None
    after: Figures | None
    gone: tuple[str, ...]
    new: tuple[str, ...]
    note: str | None
    after_look: float | None = None


class Account(Struct, frozen=True, kw_only=True):
    """What happened between ``since`` and ``until``. ``made_at`` is when the report was made, ``last_look`` the newest
    round of the period."""

    since: float
    until: float
    made_at: float
    history: str
    first_look: float | None
    last_look: float | None
    figures: Figures
    points: tuple[Point, ...]
    peak: Peak | None
    gaps: tuple[Gap, ...]
    events: tuple[Event, ...]
    findings: tuple[FindingTold, ...]
    judged: bool
    """Whether the rules were asked in any look of the period."""
    parts: tuple[PartHeld, ...]
    grown: tuple[Grown, ...]
    pools: tuple[PoolWorst, ...]
    changes: tuple[Change, ...]
    forecast: Forecast | None
    logs: tuple[Incident, ...]
    log_files: tuple[str, ...]

    @property
    def seen_ratio(self) -> float:
        """Which share of the period somebody counted."""
        return self.figures.seen_seconds / (self.until - self.since)
