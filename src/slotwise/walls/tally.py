"""Counts events without keeping them all: memory stays flat however long the logs are.

Every event is counted in a cell (a span of time, a kind, a layer, who it hit). When cells become too many, spans grow;
the first and last time of each cell stay exact. A bounded number of events is kept whole for the reader.
"""

from __future__ import annotations

import msgspec

from slotwise.walls.events import LogEvent, Unread

MAX_CELLS = 20_000
"""Cells above which the spans of time are made ten times longer."""
MAX_EVENTS = 10_000
"""Events kept whole; above it every second one is dropped, evenly over the time."""

Key = tuple[int, str, str, str | None, str | None, str | None, bool, bool]


class Cell(msgspec.Struct):
    """Events of one kind that hit the same user and database within one span of time."""

    first: LogEvent
    count: int
    first_seconds: float
    last_seconds: float


class Tally(msgspec.Struct):
    """What was seen in a piece of a log, or in all of them (``merge``)."""

    walls: dict[str, int] = {}
    """Wall to number of events, timed or not."""
    kinds: dict[str, int] = {}
    cells: dict[Key, Cell] = {}
    events: list[LogEvent] = []
    events_total: int = 0
    untimed: int = 0
    """Events without a time: counted, but not on the time line."""
    keep_one_in: int = 1
    span_seconds: int = 1
    unread: Unread = Unread()
    lines: int = 0
    bytes: int = 0
    seconds_by_layer: dict[str, tuple[float, float]] = {}
    """First and last time of a layer's telling records."""

    def add(self, event: LogEvent) -> None:
        """Count one event."""
        self.events_total += 1
        self.walls[event.wall.value] = self.walls.get(event.wall.value, 0) + 1
        self.kinds[event.kind] = self.kinds.get(event.kind, 0) + 1
        if (self.events_total - 1) % self.keep_one_in == 0:
            self.events.append(event)
            self._thin()
        if event.seconds is None:
            self.untimed += 1
            return
        early, late = self.seconds_by_layer.get(event.layer, (event.seconds, event.seconds))
        self.seconds_by_layer[event.layer] = (min(early, event.seconds), max(late, event.seconds))
        self._put(Cell(event, 1, event.seconds, event.seconds))
        self._coarsen()

    def merge(self, other: Tally) -> None:
        """Add another tally (of a later piece)."""
        self.events_total += other.events_total
        self.untimed += other.untimed
        self.lines += other.lines
        self.bytes += other.bytes
        self.unread = self.unread.plus(other.unread)
        for name, count in other.walls.items():
            self.walls[name] = self.walls.get(name, 0) + count
        for name, count in other.kinds.items():
            self.kinds[name] = self.kinds.get(name, 0) + count
        for layer, (first, last) in other.seconds_by_layer.items():
            early, late = self.seconds_by_layer.get(layer, (first, last))
            self.seconds_by_layer[layer] = (min(early, first), max(late, last))
        self.events.extend(other.events)
        self._thin()
        for cell in other.cells.values():
            self._put(cell)
        self._coarsen()

    def numbered_from(self, lines_before: int) -> Tally:
        """This tally with ``lines_before`` added to every line number: a later part of the same file."""
        if lines_before:
            self.events = [_moved(event, lines_before) for event in self.events]
            for cell in self.cells.values():
                cell.first = _moved(cell.first, lines_before)
        return self

    def _put(self, cell: Cell) -> None:
        event = cell.first
        key = (
            int(cell.first_seconds // self.span_seconds),
            event.kind,
            event.layer,
            event.database,
            event.user,
            event.process,
            event.echo,
            event.logged_out,
        )
        known = self.cells.get(key)
        if known is None:
            self.cells[key] = cell
            return
        if cell.first_seconds < known.first_seconds:
            known.first, known.first_seconds = cell.first, cell.first_seconds
        known.last_seconds = max(known.last_seconds, cell.last_seconds)
        known.count += cell.count

    def _coarsen(self) -> None:
        while len(self.cells) > MAX_CELLS and self.span_seconds < 1_000_000:
            self.span_seconds *= 10
            cells, self.cells = self.cells, {}
            for cell in cells.values():
                self._put(cell)

    def _thin(self) -> None:
        while len(self.events) > MAX_EVENTS:
            self.keep_one_in *= 2
            self.events = self.events[::2]


def _moved(event: LogEvent, lines: int) -> LogEvent:
    return msgspec.structs.replace(event, line=event.line + lines)
