"""axe-core on the pages that are files: nothing that keeps a reader with a screen reader or a keyboard out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slotwise.commands.logs import render as render_logs
from slotwise.commands.logs import story_of
from slotwise.commands.plan import plan
from slotwise.commands.report import ReportRequest, render, report
from slotwise.formats.plan_html import plan_html
from tests.formats.chromium import violations
from tests.formats.test_plan_html import EXAMPLE
from tests.review.day import BEGIN, kept

LIGHT, DARK = "--blink-settings=preferredColorScheme=1", "--blink-settings=preferredColorScheme=0"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("pages")
    history = kept(place / "h.db")
    told = report(ReportRequest(history=history, now=BEGIN + 90_000))
    texts = {"plan": plan_html(plan(EXAMPLE), "0.1"), "report": render(told, "html", "UTC", "A day")}
    shapes = (Path(__file__).parents[1] / "collectors" / "log_shapes.jsonl").read_text(encoding="utf-8").splitlines()
    (place / "all.log").write_text("".join(json.loads(shape)["text"] for shape in shapes), encoding="utf-8")
    texts["logs"] = render_logs(story_of([str(place / "all.log")]), "html")
    for name, text in texts.items():
        (place / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: place / f"{name}.html" for name in texts}


@pytest.mark.parametrize(("name", "mode"), [("plan", LIGHT), ("report", LIGHT), ("report", DARK), ("logs", LIGHT)])
def test_axe_finds_nothing(pages: dict[str, Path], name: str, mode: str) -> None:
    assert violations(pages[name], mode) == []


def test_axe_would_find_something(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
    page.write_text(f'<!doctype html><html><head><title>x</title></head><body><img src="{pixel}"></body></html>')
    found = {v["id"] for v in violations(page)}
    assert {"html-has-lang", "image-alt"} <= found
