"""Headroom: demand against usable slots, and the verdict."""

from __future__ import annotations

from enum import Enum

from slotwise.capacity.demand import Demand
from slotwise.capacity.figures import Figures

DEFAULT_HEADROOM_RATIO = 0.30
"""Share of the usable slots that should stay free at typical demand. The guide's figure, kept as the default."""

SATURATION_WARNING_RATIO = 0.80
"""Share of the usable slots in use from which it is worth a warning. The guide's figure, kept as the default."""


class Fit(str, Enum):
    """How demand lies to the usable slots.

    ``FITS``: peak is within them and typical leaves the headroom. ``TIGHT``: typical is within them, but peak is not or
    the headroom is short. ``DOES_NOT_FIT``: typical is above them. ``UNKNOWN``: nobody could read the slots.
    """

    FITS = "fits"
    TIGHT = "tight"
    DOES_NOT_FIT = "does-not-fit"
    UNKNOWN = "unknown"


BADNESS = {Fit.FITS: 0, Fit.TIGHT: 1, Fit.UNKNOWN: 2, Fit.DOES_NOT_FIT: 3}
"""How bad a verdict is: not knowing is worse than tight, since it may be anything."""


def headroom_ratio(connections: int, usable: int | None) -> float | None:
    """Share of ``usable`` slots left at ``connections``: 1.0 untouched, 0.0 full, negative beyond. None when unknown.

    No slot at all is full: 0.0 when nothing is wanted of it, -1.0 otherwise.
    """
    if usable is None:
        return None
    if usable <= 0:
        return 0.0 if connections == 0 else -1.0
    return (usable - connections) / usable


def verdict(wanted: Demand | Figures, usable: int | None, headroom: float = DEFAULT_HEADROOM_RATIO) -> Fit:
    """Whether ``wanted`` fits into ``usable`` slots with ``headroom`` (a ratio) left at typical demand."""
    left = headroom_ratio(wanted.typical, usable)
    if left is None or usable is None:
        return Fit.UNKNOWN
    if wanted.typical > usable:
        return Fit.DOES_NOT_FIT
    if wanted.peak > usable or left < headroom:
        return Fit.TIGHT
    return Fit.FITS
