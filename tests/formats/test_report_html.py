"""The report page in a real browser: offline, on a phone, on paper, with the values of the JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from slotwise.commands.report import ReportRequest, render, report
from slotwise.review.account import Account
from tests.formats.chromium import browse, measured
from tests.formats.test_plan_html import PHONE, Tags
from tests.review.day import BEGIN, HOSTILE, kept

DESKTOP = 1000


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Account:
    history = kept(tmp_path_factory.mktemp("report") / "h.db")
    return report(ReportRequest(history=history, now=BEGIN + 90_000))


@pytest.fixture(scope="module")
def page(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(account, "html", "UTC", "A day"), encoding="utf-8")
    return path


def test_it_is_whole_and_asks_for_nothing(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == [] and tags.addresses == [] and "script" not in tags.names and "img" not in tags.names
    assert "default-src 'none'" in text and not re.search(r"url\(|@import", text)
    assert HOSTILE not in text
    assert len(text) < 400_000


def test_the_page_shows_what_the_json_says(account: Account, page: Path) -> None:
    document: dict[str, Any] = json.loads(render(account, "json", "UTC", "A day"))
    shown = measured(
        page,
        "{tiles:[...d.querySelectorAll('.tiles dd')].map(e=>e.firstChild.data),"
        "tables:[...d.querySelectorAll('table')].map(t=>[...t.querySelectorAll('tr')].map(r=>[...r.cells].map(c=>c.innerText)))}",
        DESKTOP,
    )
    assert isinstance(shown, dict)
    peak = document["peak"]
    assert shown["tiles"][:2] == [str(peak["used"]), str(peak["usable"])]
    assert shown["tiles"][4] == f"{document['seen_ratio']:.0%}"
    held = [[h["part"], str(h["pid"] or ""), h["database"] or "", str(h["count"])] for h in peak["held"]]
    assert shown["tables"][0][1:] == held
    events = [row[0] for row in shown["tables"][1][1:]]
    assert len(events) == len(document["events"])
    rules = [row[1].split()[0] for row in shown["tables"][2][1:]]
    assert rules == [f["id"] for f in document["findings"]]
    (change,) = document["changes"]
    figures = {row[0]: row[1:] for row in shown["tables"][3][1:]}
    assert figures["peak"] == [str(change["before"]["peak"]), str(change["after"]["peak"])]
    assert figures["median"] == [f"{change['before']['median']:.1f}", f"{change['after']['median']:.1f}"]


def test_the_line_of_usable_slots_lies_where_the_numbers_say(page: Path) -> None:
    """The peak of 96 ends just below the wall of 97, and the drawing is torn where nobody looked."""
    boxes = (
        "(()=>{const s=d.querySelector('figure>svg'),p=c=>s.querySelector(c),b=c=>p(c).getBBox();"
        "return {wall:b('path.wall').y+b('path.wall').height,total:b('path.total').y,"
        "runs:p('path.total').getAttribute('d').split('M').length-1,"
        "asked:w.performance.getEntriesByType('resource').length}})()"
    )
    found = measured(page, boxes, DESKTOP)
    assert isinstance(found, dict)
    assert 0 < found["total"] - found["wall"] < 5
    assert found["runs"] == 3
    assert found["asked"] == 0


def test_nothing_runs_over_the_edge_of_a_phone(page: Path) -> None:
    found = measured(page, "[d.documentElement.scrollWidth, d.documentElement.clientWidth]", PHONE)
    assert found == [PHONE, PHONE]


def test_it_prints(page: Path) -> None:
    paper = page.with_name("report.pdf")
    browse(page, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    pages = len(re.findall(rb"/Type\s*/Page[^s]", paper.read_bytes()))
    assert 2 <= pages <= 6
