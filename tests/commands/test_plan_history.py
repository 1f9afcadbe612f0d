from __future__ import annotations

from pathlib import Path

import pytest

from slotwise.commands.plan import PlanRequest, plan
from slotwise.errors import OperatorError
from slotwise.history.store import Store
from slotwise.snapshot.round import HolderCount, Round

EVIDENCE = Path(__file__).parents[1] / "evidence"
START = 1_790_000_000.0
HOUR = 3_600.0
FLAGS = {"workers": "4", "max_cron_threads": "2", "databases": "prod", "odoo_version": "18"}


def history(path: Path, hours: int, http: int) -> Path:
    store = Store(path)
    for number in range(hours):
        holders = (
            HolderCount("http_worker", 11, "odoo", "prod", "odoo", "odoo", "idle", http, "known"),
            HolderCount("cron_worker", 12, "odoo", "prod", "odoo", "odoo", "idle", 1, "known"),
        )
        totals = {"pooled_transactions": 3_600 * number, "pooled_transaction_seconds": 90.0 * number}
        store.append(Round(at=START + number * HOUR, used=http + 1, usable=97, holders=holders, **totals))
    store.close()
    return path


def row(report: object, words: str) -> tuple[float, float, bool]:
    found = next(one for one in report.calibrations if words in one.what)  # type: ignore[attr-defined]
    return found.model, found.measured, found.taken


def test_a_short_history_raises_the_model_and_does_not_lower_it(tmp_path: Path) -> None:
    calm = plan(PlanRequest(changes=FLAGS, history=history(tmp_path / "calm.db", 120, 1)))
    assert row(calm, "HTTP") == (2.0, 1.0, False)
    assert calm.servers[0].demand.by_role["http_worker"].typical == 8
    busy = plan(PlanRequest(changes=FLAGS, history=history(tmp_path / "busy.db", 120, 3)))
    assert row(busy, "HTTP") == (2.0, 3.0, True)
    assert busy.servers[0].demand.by_role["http_worker"].typical == 12
    asked = plan(PlanRequest(changes=FLAGS, history=tmp_path / "calm.db", calibrate=True))
    assert row(asked, "HTTP") == (2.0, 1.0, True)


def test_a_history_of_more_than_a_week_lowers_the_model_and_says_where_from(tmp_path: Path) -> None:
    report = plan(PlanRequest(changes=FLAGS, history=history(tmp_path / "long.db", 200, 1)))
    assert row(report, "HTTP") == (2.0, 1.0, True)
    assert report.servers[0].demand.by_role["http_worker"].typical == 4
    assert any("history long.db: 200 looks in 8.3 days" in term.source for term in report.servers[0].demand.terms)


def test_transactions_of_the_pooler_size_the_pools(tmp_path: Path) -> None:
    path = history(tmp_path / "h.db", 200, 2)
    report = plan(PlanRequest(changes=FLAGS, history=path, pgbouncer=True))
    assert row(report, "mean transaction") == (0.1, pytest.approx(0.025), True)
    assert row(report, "busiest")[1] == pytest.approx(1.0)


def test_a_snapshot_and_a_history_together(tmp_path: Path) -> None:
    snapshot = EVIDENCE / "18-prefork-4db-after-load.json"
    report = plan(PlanRequest(snapshot=snapshot, history=history(tmp_path / "h.db", 200, 5)))
    assert row(report, "HTTP") == (2.0, 5.0, True)
    assert len({one.what for one in report.calibrations}) == len(report.calibrations)


def test_what_a_history_cannot_say_is_refused(tmp_path: Path) -> None:
    short = history(tmp_path / "short.db", 1, 1)
    with pytest.raises(OperatorError, match="too little"):
        plan(PlanRequest(changes=FLAGS, history=short))
    with pytest.raises(OperatorError, match="no history"):
        plan(PlanRequest(changes=FLAGS, history=tmp_path / "none.db"))
    (tmp_path / "text.db").write_text("not a database\n" * 100)
    with pytest.raises(OperatorError):
        plan(PlanRequest(changes=FLAGS, history=tmp_path / "text.db"))
    fleet = tmp_path / "fleet.yaml"
    hosts = "{a: {workers: 2, server: main}, b: {workers: 4, server: main}}"
    fleet.write_text(f"servers: {{main: {{max_connections: 200}}}}\nhosts: {hosts}\n")
    with pytest.raises(OperatorError, match="2 Odoo instances"):
        plan(PlanRequest(fleet=fleet, history=short))
    with pytest.raises(OperatorError, match="--from and --to"):
        plan(PlanRequest(old=fleet, new=fleet, history=short))
