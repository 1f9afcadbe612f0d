"""Users over HTTP against the stand-in's web face; Locust runs in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slotwise.commands.load_http import HttpRequest, load_http, remove_records
from slotwise.errors import OperatorError
from slotwise.load.measures import Block
from slotwise.load.people import People
from slotwise.load.ramp import Goal, Limits
from slotwise.loadtest import generators
from slotwise.loadtest.locust_engine import Measured
from slotwise.loadtest.odoo_web import OdooSession
from slotwise.loadtest.people_load import refusals, step_of_measured
from tests.loadtest.web_face import Face, web_face
from tests.servers import until


@pytest.fixture(scope="module")
def face() -> Iterator[Face]:
    with web_face("--workers", "3", "--service", "0.03") as running:
        yield running


def _people(face: Face) -> People:
    return People(url=face.url, databases=("erp_test", "other"), think_seconds=0.4, rpc_ratio=0.25, run="here")


def _silent(line: str) -> None:
    pass


def test_two_generators_do_what_people_do_and_leave_nothing(face: Face) -> None:
    """Distributed: a master and two workers. Browsers and programs, websockets, records and messages."""
    seen: list[int] = []
    request = HttpRequest(
        people=_people(face),
        password="secret",
        limits=Limits(steps=(12, 16), step_seconds=1.0),
        goal=Goal(users=16, p95_seconds=30.0),
        is_staging=True,
        generators=2,
    )
    report = load_http(request, lambda line: seen.append(face.condition()["websockets"]))
    first, last = report.steps
    assert (first.users, last.users) == (12, 16)
    assert last.failed == 0 and last.completed >= 10
    assert last.generator_cpu_ratio is not None and last.blocks and last.think_seconds == 0.4
    assert {"search", "read", "open form", "rpc read"} <= {name for step in report.steps for name in step.by_name}
    assert seen[-1] == 12, "three quarters of 16 users are browsers with a websocket"
    assert report.stop.reason == "goal" and report.goal_met and report.healthy
    assert last.slots.used is None and "nobody looked" in (last.slots.gap or "")
    assert any("records named 'slotwise-load here' were removed" in note for note in report.notes)
    assert face.records() == 0
    until(lambda: face.condition()["websockets"] == 0)


def test_the_wall_that_users_meet_is_named() -> None:
    with web_face("--workers", "1", "--service", "0.05", "--refuse-after", "4") as full:
        people = People(url=full.url, databases=("t",), think_seconds=0.1, rpc_ratio=0.0, websocket_ratio=0.0)
        limits = Limits(steps=(2, 14, 20), step_seconds=1.0)
        request = HttpRequest(people=people, password="x", limits=limits, is_staging=True, keep_records=True)
        report = load_http(request, _silent)
    assert report.stop.reason == "errors" and report.wall is not None
    assert (report.wall.wall, report.wall.users) == ("odoo_pool", 14)
    assert "Pool Is Full" in report.wall.words and report.wall.role.startswith("user (")


def test_an_interruption_removes_what_was_created(face: Face, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "slotwise", "load", "http", "--url", face.url, "--databases", "erp_test"]
    words += ["--target-is-staging", "--users", "20,20", "--think", "200ms", "--step-seconds", "60", "--rpc-ratio", "0"]
    environment = {**os.environ, "SLOTWISE_LOAD_PASSWORD": "x", "TMPDIR": str(tmp_path)}
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        until(lambda: face.records() >= 3, within_seconds=60)
        program.send_signal(signal.SIGINT)
        _out, errors = program.communicate(timeout=30)
    assert program.returncode == 130, errors.decode()
    assert face.records() == 0
    until(lambda: face.condition()["websockets"] == 0)
    assert list(tmp_path.iterdir()) == []


def test_the_clean_up_removes_marked_records_only(face: Face) -> None:
    session = OdooSession(face.url, "erp_test", "admin", "x")
    session.call("res.partner", "create", [{"name": "slotwise-load 2026 partner 1"}])
    kept = session.call("res.partner", "create", [{"name": "a customer of slotwise-load"}])
    assert remove_records(_people(face), "x", True, _silent) == 1
    assert face.records() == 1
    session.call("res.partner", "unlink", [[kept]])


def test_the_clean_up_goes_on_at_the_wall(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full server refuses the notification after a channel's deletion, once it is deleted (seen on Odoo 18)."""
    session = OdooSession(face.url, "erp_test", "admin", "x")
    for model in ("discuss.channel", "res.partner"):
        session.call(model, "create", [{"name": "slotwise-load wall"}])
    really, refused = session.call, []

    def call(model: str, method: str, args: list[object], kwargs: dict[str, object] | None = None) -> object:
        answer = [1] if model == "ir.model" else really(model, method, args, kwargs)
        if (model, method) == ("discuss.channel", "unlink") and not refused:
            refused.append(model)
            raise OperatorError("FATAL: remaining connection slots are reserved", "wait")
        return answer

    monkeypatch.setattr(session, "call", call)
    assert session.remove_marked() == 2
    assert refused and face.records() == 0


def test_targets_that_are_refused_are_not_even_asked() -> None:
    def problem(**changes: object) -> str:
        people = People(url="http://127.0.0.1:9", databases=("erp_test",), **changes)  # type: ignore[arg-type]
        with pytest.raises(OperatorError) as refused:
            load_http(HttpRequest(people=people, password="x"), _silent)
        return refused.value.problem

    assert "nobody can see whether users are at work" in problem()
    production = People(url="https://erp.live.example.com", databases=("erp_test",))
    with pytest.raises(OperatorError) as refused:
        load_http(HttpRequest(people=production, password="x"), _silent)
    assert "looks like production" in refused.value.problem


def test_a_wrong_password_and_a_silent_host_are_told_apart(face: Face) -> None:
    with pytest.raises(OperatorError) as wrong:
        OdooSession(face.url, "erp_test", "admin", "wrong")
    assert "Access Denied" in wrong.value.problem
    with pytest.raises(OperatorError) as silent:
        OdooSession("http://127.0.0.1:9", "erp_test", "admin", "x")
    assert "refused" in silent.value.problem
    with pytest.raises(OperatorError):
        OdooSession("staging", "erp_test", "admin", "x")


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OperatorError) as missing:
        generators.check_locust()
    assert missing.value.remedy == "pip install 'slotwise[load]'"


def test_what_locust_counted_becomes_a_step() -> None:
    measured = Measured(
        users=5,
        seconds=2.0,
        slices=[(3, 300.0), (1, 500.0)],
        times={"read": {100: 3}, "search": {500: 1}},
        failures=[("search", "FATAL:  sorry, too many clients already", 1)],
        lateness_seconds=[0.001],
        cpu_ratio=0.3,
    )
    step = step_of_measured(measured, 5.0)
    assert step.completed == 3 and step.throughput_per_second == 1.5
    assert step.latency is not None and step.latency.mean == pytest.approx(0.2) and step.latency.p99 == 0.5
    assert step.blocks == (Block(3, 0.1), Block(1, 0.5))
    (one,) = refusals(measured.failures)
    assert (one.wall, one.role, one.count) == ("pg_max_connections", "user (search)", 1)
    assert refusals([("read", "HTTP 502 Bad Gateway", 2)])[0].wall in ("error", "network", "other_not_connection")
