"""What a plan starts from, wherever it was read."""

from __future__ import annotations

import msgspec

from slotwise.capacity.deployment import Deployment
from slotwise.capacity.plan import Calibration
from slotwise.capacity.planner import Terms


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment that is planned, what it is called, what was assumed of it and what was measured."""

    name: str
    deployment: Deployment
    terms: Terms
    assumed: tuple[str, ...] = ()
    calibrations: tuple[Calibration, ...] = ()
