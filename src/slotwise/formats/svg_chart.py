"""Line and bar charts as inline SVG: no script, no request, colours from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

import msgspec

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 16, 44
TICKS = 5
LABEL_HEIGHT = 14

Place = Callable[[float], float]
"""Where a value lies on the drawing, in its own units."""


class Line(msgspec.Struct, frozen=True):
    """One line: its name, its style class (``s1`` … ``s5``), its points; a y of None is a gap."""

    name: str
    style: str
    points: tuple[tuple[float, float | None], ...]


class Mark(msgspec.Struct, frozen=True):
    """A straight line over the whole chart: at this y (``horizontal``) or x, with its words."""

    name: str
    style: str
    at: float
    horizontal: bool = True


class Segment(msgspec.Struct, frozen=True):
    """One part of a stacked bar."""

    name: str
    style: str
    value: float


def nice_ticks(most: float, count: int = TICKS) -> list[float]:
    """Round values from 0 to at least ``most``, about ``count`` steps of 1, 2 or 5 times a power of ten."""
    if not math.isfinite(most) or most <= 0:
        return [0.0, 1.0]
    raw = most / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    return [round(step * at, 10) for at in range(math.ceil(most / step - 1e-9) + 1)]


def line_chart(title: str, x_name: str, y_name: str, lines: Sequence[Line], marks: Sequence[Mark] = ()) -> str:
    """Lines over a common x axis from its smallest to its largest value; y from 0. Empty without any point."""
    xs = [x for line in lines for x, _y in line.points]
    ys = [y for line in lines for _x, y in line.points if y is not None]
    if not xs or not ys:
        return ""
    low, high = min(xs), max(xs)
    ticks = nice_ticks(max([*ys, *(mark.at for mark in marks if mark.horizontal)]))
    span, top = max(high - low, 1e-9), ticks[-1]

    def across(x: float) -> float:
        return LEFT + (x - low) / span * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    parts = [*y_axis(ticks, up, y_name), *_x_axis(low, high, across, x_name)]
    for mark in marks:
        parts += _mark(mark, across, up)
    for line in lines:
        parts += _line(line, across, up)
    return svg(title, parts, HEIGHT) + legend([(line.name, line.style) for line in lines] + _names(marks))


def stacked_bars(title: str, rows: Sequence[tuple[str, Sequence[Segment]]], marks: Sequence[Mark], unit: str) -> str:
    """Horizontal bars, one a row, each of segments; vertical marks over all of them."""
    longest = max([sum(one.value for one in row) for _name, row in rows] + [mark.at for mark in marks] + [1.0])
    ticks = nice_ticks(longest)
    bar, gap = 34, 16
    height = TOP + LABEL_HEIGHT * max(1, len(marks)) + len(rows) * (bar + gap) + BOTTOM
    left = 84

    def across(value: float) -> float:
        return left + value / ticks[-1] * (WIDTH - left - RIGHT)

    parts: list[str] = []
    first = TOP + LABEL_HEIGHT * max(1, len(marks))
    floor = height - BOTTOM
    for tick in ticks:
        parts.append(f'<line class="grid" x1="{across(tick):.1f}" x2="{across(tick):.1f}" y1="{first}" y2="{floor}"/>')
        parts.append(f'<text x="{across(tick):.1f}" y="{floor + 16}" text-anchor="middle">{_number(tick)}</text>')
    parts.append(f'<text x="{(left + WIDTH - RIGHT) / 2}" y="{height - 8}" text-anchor="middle">{escape(unit)}</text>')
    for index, (name, row) in enumerate(rows):
        y = first + gap / 2 + index * (bar + gap)
        parts.append(f'<text x="{left - 8}" y="{y + bar / 2 + 4:.1f}" text-anchor="end">{escape(name)}</text>')
        start = 0.0
        for one in row:
            wide = across(start + one.value) - across(start)
            tip = f"{name}, {one.name}: {_number(one.value)}"
            parts.append(
                f'<rect class="{one.style} fill" x="{across(start):.1f}" y="{y:.1f}" width="{max(0.0, wide):.1f}" '
                f'height="{bar}"><title>{escape(tip)}</title></rect>'
            )
            start += one.value
        parts.append(
            f'<text class="strong" x="{across(start) + 4:.1f}" y="{y + bar / 2 + 4:.1f}">{_number(start)}</text>'
        )
    for index, mark in enumerate(marks):
        x = across(mark.at)
        parts.append(f'<line class="{mark.style}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor}"/>')
        anchor, shift = ("end", -4) if x > 0.7 * WIDTH else ("start", 4)
        y_text = TOP + LABEL_HEIGHT * (index + 1) - 4
        parts.append(f'<text x="{x + shift:.1f}" y="{y_text}" text-anchor="{anchor}">{escape(mark.name)}</text>')
    styles = dict.fromkeys((one.name, one.style) for _name, row in rows for one in row)
    return svg(title, parts, height) + legend(list(styles))


def svg(title: str, parts: Sequence[str], height: int) -> str:
    """A drawing with its title, which a screen reader reads."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def y_axis(ticks: Sequence[float], up: Place, name: str) -> list[str]:
    """Grid lines with their values, and the axis' name."""
    parts = []
    for tick in ticks:
        y = up(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(tick)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<text transform="rotate(-90)" x="{-middle}" y="14" text-anchor="middle">{escape(name)}</text>')
    return parts


def _x_axis(low: float, high: float, across: Place, name: str) -> list[str]:
    floor = HEIGHT - BOTTOM
    parts = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>']
    for tick in dict.fromkeys([low, *(tick for tick in nice_ticks(high) if low <= tick <= high)]):
        parts.append(f'<text x="{across(tick):.1f}" y="{floor + 16}" text-anchor="middle">{_number(tick)}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(name)}</text>')
    return parts


def _mark(mark: Mark, across: Place, up: Place) -> list[str]:
    if mark.horizontal:
        y = up(mark.at)
        return [f'<line class="{mark.style}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>']
    x = across(mark.at)
    return [f'<line class="{mark.style}" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>']


def _line(line: Line, across: Place, up: Place) -> list[str]:
    """One path for each stretch without a gap, and a dot with its values at each point."""
    path, drawing = "", False
    dots = []
    for x, y in line.points:
        if y is None:
            drawing = False
            continue
        path += f"{'L' if drawing else 'M'}{across(x):.1f} {up(y):.1f}"
        drawing = True
        tip = f"{line.name} at {_number(x)}: {_number(y)}"
        dots.append(
            f'<circle class="{line.style} fill" cx="{across(x):.1f}" cy="{up(y):.1f}" r="2.5">'
            f"<title>{escape(tip)}</title></circle>"
        )
    return [f'<path class="{line.style} line" d="{path}"/>', *dots] if path else []


def _names(marks: Sequence[Mark]) -> list[tuple[str, str]]:
    return [(mark.name, mark.style) for mark in marks]


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """The list of (name, style class) below a drawing."""
    items = "".join(
        f'<li><svg class="key" viewBox="0 0 24 10"><line class="{style} line" x1="1" x2="23" y1="5" y2="5"/></svg>'
        f"{escape(name)}</li>"
        for name, style in entries
    )
    return f'<ul class="legend">{items}</ul>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value - round(value)) < 1e-9 else f"{value:,.3g}"
