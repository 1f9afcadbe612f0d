"""Everything that one run of ``plan`` says, for the faces to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from slotwise.capacity.demand import Demand
from slotwise.capacity.headroom import BADNESS, Fit
from slotwise.capacity.plan import Calibration, ServerPlan

if TYPE_CHECKING:
    from slotwise.capacity.transition import Transition


class SweepPoint(msgspec.Struct, frozen=True):
    """Demand at one value of what is varied."""

    x: int
    steady: int
    typical: int
    peak: int
    guide: int


class Sweep(msgspec.Struct, frozen=True):
    """Demand over a range: ``field`` is what varies (workers or databases), ``now`` where the plan stands."""

    field: str
    now: int
    points: tuple[SweepPoint, ...]


class WaitPoint(msgspec.Struct, frozen=True):
    """Waits at one pool size, in seconds; None grows without bound. ``erlang_p99``: endless clients."""

    slots: int
    p50: float | None
    p95: float | None
    p99: float | None
    erlang_p99: float | None


class WhatIf(msgspec.Struct, frozen=True):
    """One change tried: its words, the server it was weighed on, the demand and the verdict after it."""

    change: str
    server: str
    demand: Demand
    usable: int | None
    verdict: Fit
    headroom_ratio: float | None


class PlanReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one run of ``plan`` says. ``servers`` has the tightest one first."""

    subject: str
    servers: tuple[ServerPlan, ...]
    assumptions: tuple[str, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    waits: tuple[WaitPoint, ...] = ()
    what_ifs: tuple[WhatIf, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
    transitions: tuple[Transition, ...] = ()

    @property
    def verdict(self) -> Fit:
        """The worst verdict of all servers and transitions."""
        every = [*(one.verdict for one in self.servers), *(one.verdict for one in self.transitions)]
        return max(every, key=BADNESS.__getitem__, default=Fit.FITS)
