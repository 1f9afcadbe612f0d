"""The text form: the answer on one screen, everything else on demand."""

from __future__ import annotations

from pathlib import Path

from slotwise.commands.plan import PlanRequest, plan
from slotwise.formats.plan_text import WIDTH, plan_text

EXAMPLE = PlanRequest(changes={"workers": "8", "max_cron_threads": "2", "ram": "16GB", "cores": "4"})


def test_one_screen() -> None:
    text = plan_text(plan(EXAMPLE))
    assert len(text.splitlines()) <= 45
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    assert "the guide says 60" in " ".join(text.split())
    for words in ("tight", "usable 97", "db_maxconn = 8", "max_connections = 100", "alternatives"):
        assert words in text


def test_details_cite_every_term() -> None:
    report = plan(EXAMPLE)
    flat = " ".join(plan_text(report, details=True).split())
    for term in report.servers[0].demand.terms:
        assert " ".join(term.source.split()) in flat
    for assumption in report.assumptions:
        assert assumption in flat


def test_waits_what_ifs_and_unknowns() -> None:
    request = PlanRequest(
        changes={"workers": "8", "databases": "20", "managed": "scaleway:any"}, what_ifs=("workers=9",)
    )
    text = plan_text(plan(request))
    assert "slots are unknown" in text
    assert "workers=9" in text
    pooled = PlanRequest(changes={"workers": "8", "databases": "20", "ram": "16GB"})
    assert "p99" in plan_text(plan(pooled))


def test_a_fleet_stays_on_one_screen(tmp_path: Path) -> None:
    hosts = "\n".join(f"  h{number}: {{workers: {number + 1}}}" for number in range(40))
    path = tmp_path / "fleet.yaml"
    path.write_text(f"servers: {{main: {{max_connections: 9000}}}}\nhosts:\n{hosts}\n", encoding="utf-8")
    text = plan_text(plan(PlanRequest(fleet=path)))
    assert len(text.splitlines()) <= 55
    assert "more places (--details)" in text
