"""Everything that the logs say, as one value: what the formats print and the other commands ask."""

from __future__ import annotations

import msgspec

from slotwise.walls.clocks import ClockOffset, estimate_offsets
from slotwise.walls.incidents import Incident, find_incidents
from slotwise.walls.kinds import Wall
from slotwise.walls.tally import Tally


class Story(msgspec.Struct, frozen=True):
    """The events, counted; the incidents; how far the clocks are apart; what was not read."""

    tally: Tally
    incidents: tuple[Incident, ...]
    clocks: tuple[ClockOffset, ...]
    files: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """True when any connection was refused, with a time or without."""
        return any(Wall(name).refuses for name in self.tally.walls)

    @property
    def nothing_read(self) -> bool:
        """True when not one line could be read: an empty answer is then no good news."""
        return self.tally.lines == 0


def tell(tally: Tally, files: tuple[str, ...] = ()) -> Story:
    """The story of a tally: clocks first, because the incidents need one time line."""
    clocks = estimate_offsets(tally.events)
    return Story(tally, find_incidents(tally, clocks), clocks, files)
