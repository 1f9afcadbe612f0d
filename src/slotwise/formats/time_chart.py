"""Drawings over time as inline SVG: stacked areas with gaps, and lanes of what went on when. No script."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from html import escape

from msgspec import Struct

from slotwise.formats.svg_chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Place, legend, nice_ticks, svg, y_axis

_STEPS = (
    1, 5, 10, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000,
)  # fmt: skip
_MOST_TICKS = 6
_LANE, _LANE_GAP = 12, 20


class Layer(Struct, frozen=True):
    """One part of the stack: its name, style class, and its value at each moment of the drawing; 0 where it has
    none."""

    name: str
    style: str
    values: tuple[float, ...]


class Lane(Struct, frozen=True):
    """One row of bars: name, style class, and (from, to) of each bar."""

    name: str
    style: str
    spans: tuple[tuple[float, float], ...]


class Axis(Struct, frozen=True):
    """The time axis that the drawings of a page share."""

    since: float
    until: float
    zone: tzinfo

    def across(self, at: float) -> float:
        """Where the moment lies, in the drawing's units."""
        share = (min(max(at, self.since), self.until) - self.since) / (self.until - self.since)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def ticks(self) -> list[tuple[float, str]]:
        """Round moments of the zone's clock, with their labels."""
        span = self.until - self.since
        step = next((s for s in _STEPS if span / s <= _MOST_TICKS), _STEPS[-1])
        offset = datetime.fromtimestamp(self.since, self.zone).utcoffset()
        shift = offset.total_seconds() if offset is not None else 0.0
        at = -(-(self.since + shift) // step) * step - shift
        found = []
        while at <= self.until:
            found.append((at, self._label(at, step)))
            at += step
        return found

    def _label(self, at: float, step: int) -> str:
        moment = datetime.fromtimestamp(at, self.zone)
        if step >= 86400 or (moment.hour == moment.minute == moment.second == 0):
            return moment.strftime("%d %b")
        return moment.strftime("%H:%M:%S" if step < 60 else "%H:%M")


def stacked_area(
    title: str,
    axis: Axis,
    moments: Sequence[float],
    tops: Sequence[float | None],
    layers: Sequence[Layer],
    limits: Sequence[tuple[str, str, Sequence[float | None]]],
    unit: str,
) -> str:
    """Areas on top of each other, held until the next moment, torn where ``tops`` is None; ``limits`` are (name, style,
    values) drawn as lines. Empty where nothing is known."""
    known = [top for top in tops if top is not None]
    if not known:
        return ""
    ticks = nice_ticks(max([*known, *(v for _, _, values in limits for v in values if v is not None)]))

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - y / ticks[-1] * (HEIGHT - TOP - BOTTOM)

    parts = [*y_axis(ticks, up, unit), *_time_axis(axis, HEIGHT - BOTTOM, TOP)]
    base = [0.0] * len(moments)
    runs = _runs(tops)
    for layer in layers:
        top = [low + value for low, value in zip(base, layer.values, strict=True)]
        path = "".join(_area(axis, up, moments, base, top, run) for run in runs)
        if path:
            parts.append(f'<path class="{layer.style} fill" d="{path}"/>')
        base = top
    path = "".join(_steps(axis, up, moments, tops, run) for run in runs)
    parts.append(f'<path class="total" fill="none" d="{path}"/>')
    for _name, style, values in limits:
        drawn = "".join(_steps(axis, up, moments, values, run) for run in _runs(values))
        parts.append(f'<path class="{style}" fill="none" d="{drawn}"/>')
    keys = [(layer.name, layer.style + " box") for layer in layers]
    keys += [("all slots taken", "total"), *((name, style) for name, style, _ in limits)]
    return svg(title, parts, HEIGHT - 16) + legend(keys)


def lanes(title: str, axis: Axis, rows: Sequence[Lane]) -> str:
    """One bar row for each lane, its name above it; empty without any."""
    if not rows:
        return ""
    floor = TOP + len(rows) * (_LANE + _LANE_GAP)
    parts = _time_axis(axis, floor, TOP)
    for index, lane in enumerate(rows):
        y = TOP + index * (_LANE + _LANE_GAP) + _LANE_GAP - 4
        middle = y + _LANE / 2
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{middle}" y2="{middle}"/>')
        for since, until in lane.spans:
            begin = axis.across(since)
            # What was short is still seen: two units are the least.
            wide = max(2.0, axis.across(until) - begin)
            parts.append(
                f'<rect class="{lane.style} fill" x="{begin:.1f}" y="{y}" width="{wide:.1f}" height="{_LANE}"/>'
            )
        parts.append(f'<text class="strong" x="{LEFT}" y="{y - 4}">{escape(lane.name)}</text>')
    return svg(title, parts, floor + BOTTOM - 12)


def _time_axis(axis: Axis, floor: float, top: float) -> list[str]:
    parts = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>']
    for at, label in axis.ticks():
        x = axis.across(at)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{floor}"/>')
        parts.append(f'<text x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{escape(label)}</text>')
    return parts


def _runs(values: Sequence[float | None]) -> list[range]:
    """Index ranges without a gap, each with the index after it, up to which the last value holds."""
    found = []
    begin: int | None = None
    for index, value in enumerate(values):
        if value is not None and begin is None:
            begin = index
        if value is None and begin is not None:
            found.append(range(begin, index))
            begin = None
    if begin is not None:
        found.append(range(begin, len(values)))
    return found


def _corners(moments: Sequence[float], values: Sequence[float | None], run: range) -> list[tuple[float, float]]:
    """The corners of a line that holds each value until the next moment."""
    corners: list[tuple[float, float]] = []
    for index in run:
        end = moments[index + 1] if index + 1 < len(moments) else moments[index]
        value = values[index] or 0.0
        corners += [(moments[index], value), (end, value)]
    return corners


def _place(axis: Axis, up: Place, corner: tuple[float, float]) -> str:
    return f"{axis.across(corner[0]):.1f} {up(corner[1]):.1f}"


def _steps(axis: Axis, up: Place, moments: Sequence[float], values: Sequence[float | None], run: range) -> str:
    return "M" + "L".join(_place(axis, up, c) for c in _corners(moments, values, run))


def _area(
    axis: Axis, up: Place, moments: Sequence[float], base: Sequence[float], top: Sequence[float], run: range
) -> str:
    if all(top[i] <= base[i] for i in run):
        return ""
    ridge = _corners(moments, top, run)
    ground = _corners(moments, base, run)[::-1]
    return "M" + "L".join(_place(axis, up, c) for c in [*ridge, *ground]) + "Z"
