"""Charts: round ticks, gaps, well-formed SVG, escaped text."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.formats.svg_chart import Line, Mark, Segment, line_chart, nice_ticks, stacked_bars


@pytest.mark.parametrize(
    ("most", "ticks"),
    [
        (10, [0, 2, 4, 6, 8, 10]),
        (97, [0, 20, 40, 60, 80, 100]),
        (0, [0, 1]),
        (float("inf"), [0, 1]),
        (0.3, [0, 0.1, 0.2, 0.3]),
    ],
)
def test_round_ticks(most: float, ticks: list[float]) -> None:
    assert nice_ticks(most) == ticks


@given(st.floats(1e-6, 1e9))
def test_ticks_reach_the_most(most: float) -> None:
    ticks = nice_ticks(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most * (1 - 1e-6)
    assert 2 <= len(ticks) <= 12


def svg_of(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<div>{markup}</div>")


def test_lines_with_a_gap_and_marks() -> None:
    line = Line("typical", "s1", ((1, 10), (2, None), (3, 30), (4, 40)))
    markup = line_chart("a < b", "workers & more", "connections", [line], [Mark("usable: 97", "wall", 97)])
    root = svg_of(markup)
    path = next(one for one in root.iter("path"))
    assert path.attrib["d"].count("M") == 2
    assert len(list(root.iter("circle"))) == 3
    wall = next(one for one in root.iter("line") if one.attrib["class"] == "wall")
    assert float(wall.attrib["y1"]) < min(float(one.attrib["cy"]) for one in root.iter("circle"))
    assert "a &lt; b" in markup
    assert "workers &amp; more" in markup


def test_no_points_no_chart() -> None:
    assert line_chart("t", "x", "y", [Line("a", "s1", ((1, None),))]) == ""


def test_bars_are_as_long_as_their_values() -> None:
    row = ("typical", [Segment("http", "s1", 30), Segment("cron", "s2", 10)])
    root = svg_of(stacked_bars("t", [row], [Mark("usable", "wall", 80)], "connections"))
    widths = [float(one.attrib["width"]) for one in root.iter("rect")]
    assert widths[0] == pytest.approx(3 * widths[1], rel=0.01)
