"""The stand-in under load against a real PostgreSQL."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from slotwise.commands.load_connections import ConnectionsRequest, load_connections
from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.errors import OperatorError
from slotwise.load.ramp import Goal, Limits
from slotwise.load.report import LoadReport
from slotwise.load.visits import Duration, Scenario
from tests.servers import binaries_for, create_odoo, odoo_sessions, until

STAGING = "erp_test"


@pytest.fixture(scope="module")
def server(postgres_servers: PostgresServers) -> Iterator[PostgresServer]:
    with postgres_servers.start(binaries_for(15), {"max_connections": "60"}) as server:
        create_odoo(server, [STAGING, "erp_prod"])
        yield server


def _load(server: PostgresServer, scenario: Scenario, limits: Limits, home: Path, **more: object) -> LoadReport:
    request = ConnectionsRequest(
        dsn=server.dsn("odoo", STAGING), observe=server.dsn(dbname=STAGING), scenario=scenario, limits=limits,
        is_staging=True, **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return load_connections(request, lambda line: None, home)


def _nothing_left(server: PostgresServer, home: Path) -> None:
    until(lambda: not odoo_sessions(server))
    assert list(home.iterdir()) == []
    running = [p for p in Path("/proc").iterdir() if p.name.isdigit() and str(home) in _command_line(p)]
    assert running == []


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def test_the_knee_of_real_processes(server: PostgresServer, tmp_path: Path) -> None:
    """Two workers of a known service time."""
    scenario = Scenario(databases=(STAGING,), workers=2, service=Duration(0.1), think=Duration(0.3))
    limits = Limits(step_seconds=0.7, steps=(1, 4, 12, 20))
    report = _load(server, scenario, limits, tmp_path, goal=Goal(users=20, p95_seconds=5.0))
    assert report.stop.reason == "goal" and report.goal_met and report.wall is None and report.growing == ()
    # 2 × (0.1 + 0.3) / 0.1. bench/load.py holds it to 10 %, on a machine that does nothing else.
    assert report.knee.users == pytest.approx(8.0, rel=0.5)
    assert report.model.knee_users == pytest.approx(8.0)
    slots = report.steps[-1].slots
    assert slots.by_role["http_worker"] == 2 and slots.by_role["cron_worker"] == 1 and slots.usable == 57
    _nothing_left(server, tmp_path)


def test_a_leak_is_named(server: PostgresServer, tmp_path: Path) -> None:
    scenario = Scenario(
        databases=(STAGING,), workers=3, service=Duration(0.02), think=Duration(0.08), leak_every=8, websockets=2,
        action=Duration(0.2), action_every_seconds=1.0,
    )  # fmt: skip
    report = _load(server, scenario, Limits(step_seconds=0.7, steps=(3,) * 6), tmp_path)
    (leak,) = report.growing
    assert leak.role == "http_worker" and leak.last > leak.first + 2
    assert leak.peers is not None and leak.peers <= 2
    assert report.wall is None and not report.healthy
    _nothing_left(server, tmp_path)


def test_the_wall_ends_the_test_and_says_what_would_move_it(server: PostgresServer, tmp_path: Path) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("ALTER ROLE odoo CONNECTION LIMIT 4")
        try:
            scenario = Scenario(databases=(STAGING,), workers=8, service=Duration(0.2), think=Duration(0.05))
            report = _load(server, scenario, Limits(step_seconds=0.5, steps=(8, 12)), tmp_path)
        finally:
            admin.execute("ALTER ROLE odoo CONNECTION LIMIT -1")
    assert report.wall is not None and report.stop.reason == "errors" and not report.healthy
    assert (report.wall.wall, report.wall.role, report.wall.users) == ("pg_role_limit", "http_worker", 8)
    assert report.remedy is not None and any(s.name == "max_connections" for s in report.remedy.settings)
    _nothing_left(server, tmp_path)


def test_targets_that_are_refused_get_no_connection(server: PostgresServer, tmp_path: Path) -> None:
    scenario = Scenario(databases=())

    def problem(dsn: str, limits: Limits) -> str:
        with pytest.raises(OperatorError) as refused:
            load_connections(ConnectionsRequest(dsn=dsn, scenario=scenario, limits=limits), lambda line: None, tmp_path)
        return refused.value.problem

    assert "looks like production" in problem(server.dsn("odoo", "erp_prod"), Limits())
    assert "superuser" in problem(server.dsn("postgres", STAGING), Limits())
    assert "allows 2" in problem(server.dsn("odoo", STAGING), Limits(slots=2))
    with psycopg.connect(server.dsn("odoo", STAGING)) as user:
        user.execute("SELECT 1")
        assert "worked on erp_test" in problem(server.dsn("odoo", STAGING), Limits())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_after_an_interruption_at_any_moment(
    server: PostgresServer, tmp_path: Path, number: signal.Signals
) -> None:
    home, moment = tmp_path / "home", random.uniform(0.1, 3.5)
    home.mkdir()
    words = [sys.executable, "-m", "slotwise", "load", "connections", "--dsn", server.dsn("odoo", STAGING)]
    words += ["--target-is-staging", "--step-seconds", "0.5", "--think", "100ms", "--workers", "3", "--websockets", "2"]
    environment = {**os.environ, "TMPDIR": str(home)}
    began = time.monotonic()
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        # Not a wait for something, but the moment that the test is about.
        with pytest.raises(subprocess.TimeoutExpired):
            program.wait(moment)
        program.send_signal(number)
        _out, errors = program.communicate(timeout=20)
    said = f"{number.name} after {moment:.2f} s, ended after {time.monotonic() - began:.2f} s: {errors.decode()}"
    assert program.returncode in (130, -number), said
    _nothing_left(server, home)
