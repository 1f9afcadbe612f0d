from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from slotwise.errors import OperatorError
from slotwise.forecast.saturation import Forecast
from slotwise.history.recorder import Observation
from slotwise.history.sample import round_of
from slotwise.history.store import Store
from slotwise.rules.engine import catalogue, judge
from slotwise.snapshot.evidence import SourceReport, Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.round import HolderCount, PoolCount, Round
from slotwise.web.app import application
from slotwise.web.board import Board
from slotwise.web.metrics import MOST_SERIES
from slotwise.web.server import listening, read_token
from tests.build import NOW, host
from tests.forecast.test_lives import rounds

TOKEN = "a-token-of-some-length"
GONE = Unavailable("pg_stat_activity", "connection refused", "start the server")
MONOTONIC = [100.0]


def board_of(tmp_path: Path, snapshot: Snapshot | None = None, **changes: Any) -> Board:
    board = Board(Store(tmp_path / "h.db"), 5.0, clock=lambda: MONOTONIC[0])
    if snapshot is not None:
        verdicts = judge(snapshot, catalogue())
        round_ = structs.replace(round_of(snapshot, verdicts), **changes)
        board.store.append(round_)
        board.show(Observation(snapshot, round_, verdicts))
    return board


def client_of(board: Board, token: str | None = None) -> TestClient:
    return TestClient(application(board, token), base_url="http://127.0.0.1:9719")


def values(client: TestClient) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def names(client: TestClient) -> set[str]:
    return {name for name, _ in values(client)}


def test_metrics_say_what_the_snapshot_says(tmp_path: Path) -> None:
    report = SourceReport("PostgreSQL 127.0.0.1:5432 as odoo", "ok", 0.02)
    snapshot = structs.replace(host(), sources=(report,))
    found = values(client_of(board_of(tmp_path, snapshot)))
    round_ = round_of(snapshot)
    assert found["slotwise_up", ()] == 1
    assert found["slotwise_slots_used", ()] == round_.used
    assert found["slotwise_slots_usable", ()] == 97
    assert found["slotwise_slots_max", ()] == 100
    assert sum(v for (n, _), v in found.items() if n == "slotwise_slots") == sum(h.count for h in round_.holders)
    assert found["slotwise_holder_connections", (("database", "prod"), ("role", "http_worker"))] > 0
    assert found["slotwise_demand_connections", (("kind", "peak"),)] > 0
    assert found["slotwise_findings", (("id", "SW201"), ("severity", "critical"))] == 0
    assert found["slotwise_collector_success", (("collector", "postgresql"),)] == 1
    assert found["slotwise_collector_duration_seconds", (("collector", "postgresql"),)] == 0.02


def test_pools_and_forecast_have_their_names(tmp_path: Path) -> None:
    pool = PoolCount("127.0.0.1:6432", "prod", "odoo", 5, 2, 3, 1, 0, 1.5)
    board = board_of(tmp_path, host(), pools=(pool,))
    assert "slotwise_saturation_eta_seconds" not in names(client_of(board))
    seen = board.seen
    assert seen is not None
    for certainty, shown in (("provisional", False), ("confirmed", True)):
        growing = Forecast("growing", certainty, "why", 50.0, 2.0, 9000.0)  # type: ignore[arg-type]
        board._seen = structs.replace(seen, forecast=growing)
        found = values(client_of(board))
        assert (("slotwise_saturation_eta_seconds", ()) in found) is shown
    assert found["slotwise_pgbouncer_clients", (("database", "prod"), ("state", "waiting"))] == 2
    assert found["slotwise_pgbouncer_maxwait_seconds", (("database", "prod"),)] == 1.5


def test_unknown_is_absent_and_not_zero(tmp_path: Path) -> None:
    blind = structs.replace(host(), activity=GONE, titles=GONE)
    found = values(client_of(board_of(tmp_path, blind)))
    assert found["slotwise_up", ()] == 0
    absent = ("slotwise_slots_used", "slotwise_slots", "slotwise_holder_connections", "slotwise_process_connections")
    assert not {name for name, _ in found} & set(absent)
    assert ("slotwise_findings", (("id", "SW201"), ("severity", "critical"))) not in found


def test_stale_is_absent_too(tmp_path: Path) -> None:
    board = board_of(tmp_path, host())
    client = client_of(board)
    assert "slotwise_slots_used" in names(client)
    MONOTONIC[0] += 17
    found = values(client)
    assert "slotwise_slots_used" not in {name for name, _ in found}
    assert found["slotwise_up", ()] == 0 and found["slotwise_observation_age_seconds", ()] == 17
    assert client.get("/api/now").json()["state"] == "stale"


def test_before_the_first_look_there_is_nothing(tmp_path: Path) -> None:
    assert names(client_of(board_of(tmp_path))) == {"slotwise_info", "slotwise_up"}


def test_labels_are_bounded(tmp_path: Path) -> None:
    holders = tuple(
        HolderCount("shell", n, "p" * 200, f"db{n}" * 40, f"u{n}", f"app{n}x", "idle", 1) for n in range(500)
    )
    found = values(client_of(board_of(tmp_path, host(), holders=holders)))
    per_name = [name for name, _ in found]
    assert max(per_name.count(name) for name in set(per_name)) <= MOST_SERIES + 1
    other = found["slotwise_user_connections", (("user", "(other)"),)]
    assert other == 500 - MOST_SERIES
    assert all(len(value) <= 63 for _, labels in found for _, value in labels)


def test_openmetrics_is_spoken_where_asked(tmp_path: Path) -> None:
    answer = client_of(board_of(tmp_path, host())).get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert answer.text.endswith("# EOF\n") and "openmetrics" in answer.headers["content-type"]


def test_the_page_and_what_it_reads(tmp_path: Path) -> None:
    client = client_of(board_of(tmp_path, host()))
    page = client.get("/")
    assert page.status_code == 200 and "script-src 'self'" in page.headers["content-security-policy"]
    now = client.get("/api/now").json()
    assert (now["used"], now["usable"], now["state"]) == (round_of(host()).used, 97, "watching")
    for name in ("page.js", "page.css", "uplot.js", "uplot.css", "icon.svg"):
        assert client.get(f"/static/{name}").status_code == 200


def test_the_history_keeps_gaps(tmp_path: Path) -> None:
    from slotwise.web import facts

    board = board_of(tmp_path)
    for at in (0.0, 5.0, 10.0, 600.0):
        board.store.append(Round(at=NOW + at, used=None if at == 5.0 else 7, usable=97))
    shown = facts.history(board, NOW + 700, 1)
    assert shown["used"] == [7, None, 7, None, 7]


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/page.html", "/etc/passwd", "/api"]
)
def test_paths_lead_nowhere_else(tmp_path: Path, path: str) -> None:
    assert client_of(board_of(tmp_path, host())).get(path).status_code in (404, 400)


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "x", "1e9", ""])
def test_hours_are_checked(tmp_path: Path, hours: str) -> None:
    assert client_of(board_of(tmp_path, host())).get(f"/api/history?hours={hours}").status_code == 400


def test_only_reading_is_possible(tmp_path: Path) -> None:
    client = client_of(board_of(tmp_path, host()))
    assert [client.request(m, "/metrics").status_code for m in ("POST", "PUT", "DELETE")] == [405] * 3


def test_a_name_that_was_rebound_to_loopback_is_refused(tmp_path: Path) -> None:
    client = client_of(board_of(tmp_path, host()))
    assert client.get("/metrics", headers={"host": "evil.example"}).status_code == 421
    for name in ("localhost:1", "[::1]:9719", "127.0.0.1"):
        assert client.get("/metrics", headers={"host": name}).status_code == 200


def test_the_token_is_needed_where_there_is_one(tmp_path: Path) -> None:
    client = client_of(board_of(tmp_path, host()), TOKEN)
    basic = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
    accepted = {f"Bearer {TOKEN}": 200, f"Basic {basic}": 200, "Basic !!": 401, "Bearer wrong": 401, "": 401}
    assert {a: client.get("/", headers={"authorization": a}).status_code for a in accepted} == accepted
    assert client.get("/metrics").headers["www-authenticate"].startswith("Basic")


def test_others_are_let_in_only_with_token_and_tls(tmp_path: Path) -> None:
    file = tmp_path / "f"
    assert listening("127.0.0.1:9719", None, None, None).port == 9719
    assert listening("[::1]:9719", None, None, None).host == "::1"
    assert listening("0.0.0.0:9719", file, file, file).host == "0.0.0.0"
    for where in ("0.0.0.0:9719", "[::]:1", "db.example:9719"):
        with pytest.raises(OperatorError, match="reached by others"):
            listening(where, file, None, None)
    for where in ("9719", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:http"):
        with pytest.raises(OperatorError, match="not HOST:PORT"):
            listening(where, None, None, None)


def test_a_token_file_is_private_and_long(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o640)
    assert read_token(file) == TOKEN
    file.chmod(0o644)
    with pytest.raises(OperatorError, match="others may read"):
        read_token(file)
    file.write_text("short")
    file.chmod(0o600)
    with pytest.raises(OperatorError, match="not one line"):
        read_token(file)


def test_a_leak_is_in_the_metrics_and_on_the_page(tmp_path: Path) -> None:
    board = Board(Store(tmp_path / "h.db"), 5.0, clock=lambda: MONOTONIC[0])
    past = list(rounds(12, lambda h: 1.5 * h, every=120.0))
    snapshot = host()
    for number, round_ in enumerate(past[:-1]):
        board.store.append(round_)
        if number == 3:
            board.show(Observation(snapshot, round_, ()))
            # A quarter of an hour is too short to tell: absent, and not 0.
            assert "slotwise_leaking_processes" not in names(client_of(board))
            assert client_of(board).get("/api/now").json()["leaking"] is None
    again = Board(board.store, 5.0, clock=lambda: MONOTONIC[0])
    again.show(Observation(structs.replace(snapshot, processes=GONE), past[-1], ()))
    client = client_of(again)
    found = values(client)
    assert found["slotwise_leaking_processes", ()] == 1
    slope = found["slotwise_process_growth_per_hour", (("pid", "4121"), ("role", "http_worker"))]
    assert slope == pytest.approx(1.5, rel=0.15)
    (said,) = client.get("/api/now").json()["leaking"]
    assert said["name"] == "http_worker 4121" and said["last_slot_at"] > past[-1].at
    assert said["per_hour"] == pytest.approx(slope)
