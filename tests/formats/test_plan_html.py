"""The plan page in a real browser: offline, on a phone, in the dark, on paper."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from slotwise.commands.plan import PlanRequest, plan
from slotwise.formats.plan_html import plan_html
from tests.formats.chromium import browse, measured

EXAMPLE = PlanRequest(
    changes={"workers": "8", "databases": "6", "ram": "16GB", "cores": "4", "max_connections": "150"},
    what_ifs=("workers=16",),
)
PHONE, DESKTOP = 390, 1100


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "plan.html"
    path.write_text(plan_html(plan(EXAMPLE), "0.1"), encoding="utf-8")
    return path


class Tags(HTMLParser):
    """Every tag that was opened and not closed, and every address."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_is_whole_and_asks_for_nothing(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.addresses == []
    assert "script" not in tags.names
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import", text)
    assert text.count('role="img"') == 4


def test_names_are_text_and_never_markup() -> None:
    request = PlanRequest(changes={"workers": "2", "databases": '<img src=x onerror=alert(1)>,"quoted"'})
    text = plan_html(plan(request), "0.1")
    assert "<img" not in text
    tags = Tags()
    tags.feed(text)
    assert tags.open == []


def test_nothing_runs_over_the_edge_of_a_phone(page: Path) -> None:
    found = measured(page, "[d.documentElement.scrollWidth, d.documentElement.clientWidth]", PHONE)
    assert found == [PHONE, PHONE]
    text_pixels = "Math.min(...[...d.querySelectorAll('figure>svg text')].map(t=>t.getBoundingClientRect().height))"
    smallest = measured(page, text_pixels, PHONE)
    assert isinstance(smallest, int | float)
    assert smallest >= 9


def test_the_wall_lies_where_the_numbers_say(page: Path) -> None:
    """Peak (188) is above the usable slots (147), typical (111) below: the drawing says the same."""
    boxes = (
        "(()=>{const s=d.querySelector('figure>svg'),x=e=>e.getBoundingClientRect();"
        "const r=[...s.querySelectorAll('rect')].map(x),w=x(s.querySelector('.wall')).left;"
        "const row=y=>Math.max(...r.filter(b=>Math.abs(b.top-y)<2).map(b=>b.right));"
        "const tops=[...new Set(r.map(b=>Math.round(b.top)))].sort((a,b)=>a-b);"
        "return {wall:w,steady:row(tops[0]),typical:row(tops[1]),peak:row(tops[2])}})()"
    )
    found = measured(page, boxes, DESKTOP)
    assert isinstance(found, dict)
    assert found["steady"] < found["typical"] < found["wall"] < found["peak"]


def test_dark_mode_turns_the_ground_dark_and_keeps_the_text_readable(page: Path) -> None:
    expression = "[w.getComputedStyle(d.body).backgroundColor, w.getComputedStyle(d.body).color]"
    light = measured(page, expression, DESKTOP, "--blink-settings=preferredColorScheme=1")
    dark = measured(page, expression, DESKTOP, "--blink-settings=preferredColorScheme=0")
    assert isinstance(light, list)
    assert isinstance(dark, list)
    for ground, ink in (light, dark):
        assert _contrast(_rgb(ground), _rgb(ink)) >= 7
    assert _luminance(_rgb(light[0])) > 0.9
    assert _luminance(_rgb(dark[0])) < 0.05


def test_every_colour_of_the_plots_stands_out_in_both_modes(page: Path) -> None:
    expression = (
        "[w.getComputedStyle(d.body).backgroundColor,...['.s1.line','.s2.line','.s3.fill','.wall','.warn','.now']"
        ".map(c=>{const e=w.getComputedStyle(d.querySelector(c));return c.endsWith('fill')?e.fill:e.stroke})]"
    )
    for mode in (0, 1):
        colours = measured(page, expression, DESKTOP, f"--blink-settings=preferredColorScheme={mode}")
        assert isinstance(colours, list)
        ground, *lines = (_rgb(colour) for colour in colours)
        for line in lines:
            assert _contrast(ground, line) >= 3


def test_it_prints(page: Path) -> None:
    paper = page.with_name("plan.pdf")
    browse(page, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    content = paper.read_bytes()
    assert content.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page[^s]", content))
    assert 2 <= pages <= 8


def test_a_plan_without_numbers_still_has_a_page() -> None:
    text = plan_html(plan(PlanRequest(changes={"workers": "8", "managed": "scaleway:any"})), "0.1")
    assert "slots are unknown" in text
    tags = Tags()
    tags.feed(text)
    assert tags.open == []


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(value) / 255 for value in re.findall(r"\d+", colour)[:3])
    return red, green, blue


def _luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance, https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
