"""doctor on live hosts: a stand-in of Odoo with real processes, on real servers that are filled to the last slot.

The truth is what the stand-in's processes say they hold; doctor sees only /proc, sockets, files and the server.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from slotwise.demo.postgres_server import PostgresServer
from slotwise.standin.host import StandinHost
from tests.conftest import StartPgBouncer, StartPostgres, StartStandin
from tests.servers import MAJOR_VERSIONS, create_odoo, until

SLOTS = {"max_connections": "14", "superuser_reserved_connections": "3"}
USABLE = 11


def doctor(host: StandinHost, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "slotwise", "doctor", "--config", str(host.conf_file), "--format", "json", *options],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["exit_code"] == done.returncode
    return report


def held_by_process(report: dict[str, Any]) -> Counter[tuple[int, str]]:
    held: Counter[tuple[int, str]] = Counter()
    for holder in report["holders"]:
        if holder["role"] != "unknown":
            held[holder["pid"], holder["role"]] += holder["count"]
    return held


def truth(host: StandinHost) -> Counter[tuple[int, str]]:
    pools = {(one.pid, one.role): host.condition(one.pid) for one in host.processes() if one.role != "master"}
    return Counter({process: pool.pool_count for process, pool in pools.items() if pool.pool_count})


def found(report: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {v["slug"]: v["findings"] for v in report["verdicts"] if v["state"] == "found"}


def walls(report: dict[str, Any]) -> str:
    return " | ".join(str(one["subject"]) for one in found(report)["connections-refused"])


@pytest.fixture
def fill(start_postgres: StartPostgres, start_standin: StartStandin) -> Any:
    def start(major_version: int, *, over_socket: bool = False) -> tuple[PostgresServer, StandinHost]:
        server = start_postgres(major_version, SLOTS)
        create_odoo(server, ["shop"])
        host = start_standin(
            db_host=str(server.socket_dir) if over_socket else "127.0.0.1",
            db_port=server.port,
            db_name=("shop",),
            workers=USABLE,
            max_cron_threads=2,
        )
        begun = sum(one.served for one in host.begin(USABLE, "shop"))

        def filled() -> bool:
            # In a storm an attempt that will be refused holds a slot for a moment, and may keep another one out.
            nonlocal begun
            begun += sum(one.served for one in host.begin(1, "shop")) if begun < USABLE - 2 else 0
            return begun == USABLE - 2

        until(filled)
        assert not any(one.served for one in host.begin(1, "shop"))
        return server, host

    return start


@contextmanager
def superusers_in_the_reserve(server: PostgresServer) -> Iterator[None]:
    """Three sessions of superusers: now nobody gets in."""
    sessions = [psycopg.connect(server.dsn(), autocommit=True) for _ in range(3)]
    try:
        until(lambda: _refused(server))
        yield
    finally:
        for session in sessions:
            session.close()


def _refused(server: PostgresServer) -> bool:
    try:
        psycopg.connect(server.dsn()).close()
    except psycopg.OperationalError as error:
        return "too many clients already" in str(error)
    return False


@pytest.mark.parametrize("major_version", MAJOR_VERSIONS)
def test_filled_to_the_last_usable_slot(fill: Any, major_version: int) -> None:
    _, host = fill(major_version)
    report = doctor(host)
    assert report["exit_code"] == 1
    assert held_by_process(report) == truth(host)
    assert (report["slots"]["usable"], report["slots"]["free"]) == (USABLE, 0)
    assert "slots-saturated" in found(report)
    assert "only reserved slots are left" in walls(report)


@pytest.mark.parametrize("major_version", MAJOR_VERSIONS)
def test_filled_with_the_reserve_nobody_gets_in_and_doctor_still_knows(fill: Any, major_version: int) -> None:
    server, host = fill(major_version)
    with superusers_in_the_reserve(server):
        report = doctor(host)
    assert report["exit_code"] == 1
    assert held_by_process(report) == truth(host)
    assert report["slots"]["used"] == USABLE + 3
    assert "slots-saturated" in found(report)
    assert "every slot is taken" in walls(report)


def test_owners_over_unix_domain_sockets(fill: Any) -> None:
    _, host = fill(15, over_socket=True)
    report = doctor(host)
    assert held_by_process(report) == truth(host)
    assert report["exit_code"] == 1


def test_a_halted_server_is_described_from_outside(fill: Any) -> None:
    server, host = fill(16)
    expected = truth(host)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        report = doctor(host, "--timeout", "3")
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert held_by_process(report) == expected
    assert report["exit_code"] == 1


def test_a_killed_server_is_no_healthy_one(fill: Any) -> None:
    server, host = fill(15)
    os.kill(server.pid, signal.SIGKILL)
    report = doctor(host)
    assert report["exit_code"] in (1, 3)
    assert report["slots"] is None
    assert "slots-saturated" not in [v["slug"] for v in report["verdicts"] if v["state"] == "healthy"]


def test_the_worker_that_leaks_is_named_and_not_the_master(
    start_postgres: StartPostgres, start_standin: StartStandin
) -> None:
    server = start_postgres(18)
    create_odoo(server, ["shop"])
    host = start_standin(db_port=server.port, db_name=("shop",), workers=3)
    host.serve(6, "shop", kind="login")
    host.run_scheduled_action("shop")
    host.open_websocket("shop")
    healthy = doctor(host)
    assert healthy["exit_code"] == 0
    assert "leaking-process" not in found(healthy)
    assert held_by_process(healthy) == truth(host)
    leaked = host.leak("shop", cursors=9, worker=1)
    subjects = [one["subject"] for one in found(doctor(host))["leaking-process"]]
    assert subjects == [f"http_worker {leaked.pid}"]


def test_a_running_job_is_no_finding(start_postgres: StartPostgres, start_standin: StartStandin) -> None:
    server = start_postgres(15)
    create_odoo(server, ["shop"])
    host = start_standin(db_port=server.port, db_name=("shop",), workers=2, max_cron_threads=1)
    host.begin_scheduled_action("shop", running="SELECT pg_sleep(600)")
    slugs = set(found(doctor(host)))
    assert not slugs & {"stuck-idle-in-transaction", "leaking-process"}


@pytest.mark.parametrize(("postgres_in_session", "lost"), [(False, True), (True, False)])
def test_listen_through_a_transaction_pool(
    start_postgres: StartPostgres,
    start_pgbouncer: StartPgBouncer,
    start_standin: StartStandin,
    postgres_in_session: bool,
    lost: bool,
) -> None:
    server = start_postgres(15)
    create_odoo(server, ["shop"])
    to = f"host=127.0.0.1 port={server.port}"
    session = {"postgres": f"{to} pool_mode=session"} if postgres_in_session else {}
    bouncer = start_pgbouncer({**session, "*": to}, {"pool_mode": "transaction"})
    host = start_standin(db_port=bouncer.port, workers=2, max_cron_threads=1, db_name=("shop",))
    host.serve(2, "shop")
    report = doctor(host, "--pgbouncer", bouncer.dsn("postgres"))
    assert ("listen-through-transaction-pool" in found(report)) is lost
