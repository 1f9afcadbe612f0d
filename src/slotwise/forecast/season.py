"""The course that is expected of the days to come, from the days before. No calendar and no time zone is needed."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from msgspec import Struct

from slotwise.forecast.robust import quantile

DAY = 24 * 3600.0


class Course(Struct, frozen=True):
    """The values before a moment, by number of bucket of ``width`` seconds.

    ``usual`` is the median of each time of day, None where it was never seen; ``night`` the low level of the usual day.
    """

    width: float
    values: dict[int, float]
    usual: tuple[float | None, ...]
    night: float

    def expected(self, at: float) -> float | None:
        """The value one or two weeks before, else the median of that time of day; None where it was never seen."""
        number = int(at // self.width)
        slots = len(self.usual)
        for weeks in (1, 2):
            middle = number - 7 * slots * weeks
            near = [self.values[n] for n in range(middle - 1, middle + 2) if n in self.values]
            if near:
                return median(near)
        return self.usual[number % slots]


def course(values: Mapping[int, float], width: float, ends: float) -> Course:
    """The course of the days before ``ends``."""
    before = {number: value for number, value in values.items() if (number + 1) * width <= ends}
    slots: list[list[float]] = [[] for _ in range(int(DAY // width))]
    for number, value in before.items():
        slots[number % len(slots)].append(value)
    usual = tuple(median(seen) if seen else None for seen in slots)
    known = [value for value in usual if value is not None]
    return Course(width, before, usual, quantile(known, 0.1) if known else 0.0)
