from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from slotwise.cli.report_command import command
from slotwise.commands.report import FORMATS, ReportRequest, render, report
from slotwise.errors import OperatorError
from tests.review.day import BEGIN, CHANGE, HOUR, WALL, kept


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept(tmp_path_factory.mktemp("history") / "h.db")


def request(history: Path, **more: object) -> ReportRequest:
    return ReportRequest(history=history, now=BEGIN + 90_000, **more)  # type: ignore[arg-type]


def test_every_format_says_the_same(history: Path) -> None:
    told = report(request(history))
    document = json.loads(render(told, "json", "UTC", "t"))
    schema = json.loads((Path(__file__).parents[2] / "docs/schema/report.json").read_text())
    jsonschema.validate(document, schema)
    assert document["peak"]["used"] == 96 and len(document["changes"]) == 1
    for form in set(FORMATS) - {"json"}:
        text = render(told, form, "UTC", "t")
        for word in ("96 of 97", "SW203", "connection refused", "max_connections: 100 → 150", "23 Nov 17:59:00"):
            assert word in text, (form, word)
    assert "<img" not in render(told, "markdown", "UTC", "t")


def test_times_are_in_the_zone_that_was_asked_for(history: Path) -> None:
    told = report(request(history, since="2026-11-23 15:00", until="2026-11-23 16:00", zone="Europe/Brussels"))
    assert (told.since, told.until) == (BEGIN + 14 * HOUR, BEGIN + 15 * HOUR)
    text = render(told, "text", "Europe/Brussels", "t")
    assert "2026-11-23 15:00:00 to 2026-11-23 16:00:00 CET" in text and "23 Nov 15:12:00" in text


def test_a_length_counts_back_from_the_end(history: Path) -> None:
    told = report(request(history, since="90min", until="2026-11-23T15:00:00Z"))
    assert (told.since, told.until) == (BEGIN + 13.5 * HOUR, BEGIN + 15 * HOUR)
    assert told.peak is not None and WALL[0] <= told.peak.at < WALL[1]


def test_a_given_change_is_compared_beside_the_seen_one(history: Path) -> None:
    told = report(request(history, changes=("2026-11-23 12:00",)))
    assert [(c.at, c.given) for c in told.changes] == [(BEGIN + 12 * HOUR, True), (CHANGE, False)]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"since": "yesterday"}, "--from 'yesterday' is no time"),
        ({"since": "2026-11-24", "until": "2026-11-23"}, "ends before it begins"),
        ({"since": "2025-01-01", "until": "2025-01-02"}, "nothing from this period"),
        ({"changes": ("2025-01-01",)}, "not within the period"),
        ({"zone": "Middle/Earth"}, "no time zone"),
        ({"history": Path("/nonexistent/h.db")}, "no history"),
    ],
)
def test_the_operators_mistakes_are_said(history: Path, more: dict[str, object], words: str) -> None:
    with pytest.raises(OperatorError, match=words):
        report(request(**{"history": history, **more}))  # type: ignore[arg-type]


def test_incidents_of_the_logs_are_told_where_they_lie_in_the_period(history: Path, tmp_path: Path) -> None:
    log = tmp_path / "postgresql.log"
    line = "2026-11-23 14:1{n}:00.000 UTC [9{n}] odoo@prod FATAL:  sorry, too many clients already\n"
    log.write_text("".join(line.format(n=n) for n in range(5)))
    told = report(request(history, logs=(str(log),)))
    assert [i.refused for i in told.logs] == [5]
    assert "5 connections were refused" in render(told, "text", "UTC", "t")
    assert not report(request(history, logs=(str(log),), since="2026-11-23 16:00")).logs


def test_the_command_writes_a_page(history: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    done = CliRunner().invoke(command, ["--history", str(history), "-o", str(out), "--title", "Monday <1>"])
    assert done.exit_code == 0, done.output
    assert "<h1>Monday &lt;1&gt;</h1>" in out.read_text()
    done = CliRunner().invoke(command, ["--history", str(history)])
    assert done.exit_code == 0 and "The peak, and who held it" in done.output
