"""verify's bounds, and paths that are dead, full, half or too small, on real servers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from slotwise.collectors.path_probes import listen_notify, nested_cursors, queue_job_listen
from slotwise.collectors.path_run import probes
from slotwise.collectors.path_under_test import Load
from slotwise.commands.verify import VerifyRequest, verify
from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.errors import ExitCode, OperatorError
from slotwise.fixes.path_checks import Check, PathReport
from tests.conftest import StartPgBouncer, StartPostgres
from tests.servers import binaries_for, create_odoo, until

NESTED = ("nested-cursors",)
LEAK = ("session-set-leak",)


@pytest.fixture(scope="module")
def server(postgres_servers: PostgresServers) -> Iterator[PostgresServer]:
    with postgres_servers.start(binaries_for(15)) as running:
        create_odoo(running, ["prod"])
        yield running


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """For paths on which somebody waits in vain: less patience than with a production system."""
    monkeypatch.setattr(nested_cursors, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(listen_notify, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(queue_job_listen, "PATIENCE_SECONDS", 1.0)


def pool(
    server: PostgresServer, start: StartPgBouncer, *, own_postgres: bool = True, **settings: str
) -> PgBouncerServer:
    to = f"host=127.0.0.1 port={server.port}"
    entries = {"postgres": f"{to} pool_mode=session"} if own_postgres else {}
    return start({**entries, "*": to}, {"pool_mode": "transaction", "stats_users": "odoo", **settings})


def check(report: PathReport, id_: str) -> Check:
    return next(one for one in report.checks if one.id == id_)


def seen(report: PathReport, id_: str) -> dict[str, object]:
    return {one.name: one.value for one in check(report, id_).evidence}


def test_a_dead_path_is_unknown_with_its_reason() -> None:
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        report = verify(VerifyRequest(dsn=f"host=127.0.0.1 port={port} user=odoo dbname=prod", queue_job=True))
    states = {one.state for one in report.checks}
    assert states == {"unknown", "not-needed"}
    assert report.exit_code == ExitCode.UNKNOWN
    assert "refused" in str(seen(report, "listen-notify")["reason"])
    assert report.connections == 1, "a dead path is asked once, not once for each check"


def test_a_path_that_says_nothing_does_not_keep_verify_waiting() -> None:
    with closing(socket.socket()) as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        dsn = f"host=127.0.0.1 port={mute.getsockname()[1]} user=odoo dbname=prod"
        started = time.monotonic()
        report = verify(VerifyRequest(dsn=dsn, seconds=2))
        assert time.monotonic() - started < 30
    assert report.exit_code == ExitCode.UNKNOWN
    assert report.through_pooler is None


def test_a_pooler_that_stands_still_in_the_middle(server: PostgresServer, start_pgbouncer: StartPgBouncer) -> None:
    bouncer = pool(server, start_pgbouncer)
    os.kill(bouncer.pid, signal.SIGSTOP)
    try:
        report = verify(VerifyRequest(dsn=bouncer.dsn("odoo", "prod"), seconds=3))
    finally:
        os.kill(bouncer.pid, signal.SIGCONT)
    assert report.exit_code == ExitCode.UNKNOWN


def test_a_wrong_role_is_unknown(server: PostgresServer) -> None:
    report = verify(VerifyRequest(dsn=server.dsn("nobody_here", "prod")))
    assert report.exit_code == ExitCode.UNKNOWN
    assert "nobody_here" in str(seen(report, "copy")["reason"])


def test_a_pooler_without_an_entry_for_postgres_is_broken(
    server: PostgresServer, start_pgbouncer: StartPgBouncer
) -> None:
    bouncer = start_pgbouncer({"prod": f"host=127.0.0.1 port={server.port}"}, {"pool_mode": "transaction"})
    request = VerifyRequest(dsn=bouncer.dsn("odoo", "prod"), only=("listen-notify", "autocommit-ddl"))
    report = verify(request)
    assert check(report, "listen-notify").state == "broken"
    assert check(report, "autocommit-ddl").state == "broken"
    assert "postgres" in str(seen(report, "listen-notify")["database postgres"])


@pytest.mark.usefixtures("hasty")
def test_a_pool_that_is_too_small_for_one_scheduled_action(
    server: PostgresServer, start_pgbouncer: StartPgBouncer
) -> None:
    bouncer = pool(server, start_pgbouncer, default_pool_size="2")
    report = verify(VerifyRequest(dsn=bouncer.dsn("odoo", "prod"), only=(*NESTED, "pool-limit")))
    assert check(report, "nested-cursors").state == "broken"
    assert seen(report, "nested-cursors")["transactions served"] == 2
    limit = seen(report, "pool-limit")
    assert check(report, "pool-limit").state == "works", "the third waits, and is served when the first ends"
    assert limit["served at once"] == 2


@pytest.mark.parametrize(("size", "state"), [("12", "broken"), ("13", "works")])
def test_the_pool_is_compared_with_the_deadlock_floor(
    server: PostgresServer, start_pgbouncer: StartPgBouncer, size: str, state: str
) -> None:
    bouncer = pool(server, start_pgbouncer, default_pool_size=size)
    report = verify(VerifyRequest(dsn=bouncer.dsn("odoo", "prod"), workers=8, max_cron_threads=2, only=NESTED))
    assert check(report, "nested-cursors").state == state
    assert seen(report, "nested-cursors")["smallest pool that cannot deadlock"] == 13


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(("size", "state"), [("4", "broken"), ("5", "works")])
def test_exhaust_finds_the_same_by_trying(
    server: PostgresServer, start_pgbouncer: StartPgBouncer, size: str, state: str
) -> None:
    bouncer = pool(server, start_pgbouncer, default_pool_size=size, stats_users="")
    request = VerifyRequest(dsn=bouncer.dsn("odoo", "prod"), workers=2, max_cron_threads=1, exhaust=True, only=NESTED)
    report = verify(request)
    assert check(report, "nested-cursors").state == state
    assert seen(report, "nested-cursors")["transactions served"] == int(size)


def test_a_pool_whose_size_is_not_visible_is_not_taken_for_large(
    server: PostgresServer, start_pgbouncer: StartPgBouncer
) -> None:
    bouncer = pool(server, start_pgbouncer, stats_users="")
    report = verify(VerifyRequest(dsn=bouncer.dsn("odoo", "prod"), workers=8, max_cron_threads=2, only=NESTED))
    nested = check(report, "nested-cursors")
    assert nested.state == "unknown" and "--pgbouncer" in (nested.remedy or "")
    named = VerifyRequest(
        dsn=bouncer.dsn("odoo", "prod"), console=bouncer.dsn("postgres"), workers=8, max_cron_threads=2, only=NESTED
    )
    assert check(verify(named), "nested-cursors").state == "works"


def test_reset_always_keeps_settings_from_leaking(server: PostgresServer, start_pgbouncer: StartPgBouncer) -> None:
    leaking = verify(VerifyRequest(dsn=pool(server, start_pgbouncer).dsn("odoo", "prod"), need=LEAK, only=LEAK))
    assert check(leaking, "session-set-leak").state == "broken", "declared as needed"
    bouncer = pool(server, start_pgbouncer, server_reset_query_always="1")
    kept = verify(VerifyRequest(dsn=bouncer.dsn("odoo", "prod"), only=LEAK))
    assert check(kept, "session-set-leak").state == "works"


def test_a_name_in_the_poolers_entry_outlives_discard_all(
    server: PostgresServer, start_pgbouncer: StartPgBouncer
) -> None:
    to = f"host=127.0.0.1 port={server.port} application_name=odoo"
    bouncer = start_pgbouncer({"*": to}, {"pool_mode": "transaction"})
    report = verify(VerifyRequest(dsn=bouncer.dsn("odoo", "prod"), only=("application-name",)))
    assert check(report, "application-name").state == "works"
    assert seen(report, "application-name")["after DISCARD ALL"] == "odoo"


def test_a_session_pool_that_does_not_reset_leaks(server: PostgresServer, start_pgbouncer: StartPgBouncer) -> None:
    bouncer = pool(server, start_pgbouncer, own_postgres=False, pool_mode="session", server_reset_query="")
    leak = seen(verify(VerifyRequest(dsn=bouncer.dsn("odoo", "prod"), only=LEAK)), "session-set-leak")
    assert leak["seen by another client"] == "after the first had left"


@pytest.mark.usefixtures("hasty")
def test_queue_job_makes_its_needs_needed(server: PostgresServer, start_pgbouncer: StartPgBouncer) -> None:
    bouncer = pool(server, start_pgbouncer)
    with psycopg.connect(server.dsn("odoo", "prod"), autocommit=True) as connection:
        connection.execute("INSERT INTO ir_module_module (name, state) VALUES ('queue_job', 'installed')")
        try:
            report = verify(VerifyRequest(dsn=bouncer.dsn("odoo", "prod")))
            broken = {one.id for one in report.checks if one.state == "broken"}
            assert broken == {"queue-job-listen", "session-advisory-lock", "named-cursor"}
            direct = VerifyRequest(dsn=bouncer.dsn("odoo", "prod"), queue_job_dsn=server.dsn("odoo", "prod"))
            assert verify(direct).exit_code == ExitCode.HEALTHY
        finally:
            connection.execute("DELETE FROM ir_module_module WHERE name = 'queue_job'")


def test_the_last_free_slots_are_left_alone(start_postgres: StartPostgres) -> None:
    server = start_postgres(15, {"max_connections": "12", "superuser_reserved_connections": "3"})
    create_odoo(server, ["prod"])
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        others = [psycopg.connect(server.dsn("odoo", "prod")) for _ in range(4)]
        query = "SELECT sum(numbackends) = 5 FROM pg_stat_database"
        until(lambda: (admin.execute(query).fetchone() or [False])[0])
        report = verify(VerifyRequest(dsn=server.dsn("odoo", "prod")))
        assert report.connections == 1 and report.exit_code == ExitCode.UNKNOWN
        assert "leaves the last 3 alone" in str(seen(report, "copy")["reason"])
        others.pop().close()
        others.pop().close()
        until(lambda: (admin.execute("SELECT sum(numbackends) = 3 FROM pg_stat_database").fetchone() or [False])[0])
        tight = verify(VerifyRequest(dsn=server.dsn("odoo", "prod")))
        assert tight.most_connections <= 2
        assert check(tight, "copy").state == "works"
        assert "at once" in str(seen(tight, "listen-notify")["reason"])
        for other in others:
            other.close()


@pytest.mark.usefixtures("hasty")
def test_nothing_stays_behind(server: PostgresServer, start_pgbouncer: StartPgBouncer) -> None:
    """In the worst case for that: one pool of one server connection for everything, seen again by the next client."""
    bouncer = pool(server, start_pgbouncer, own_postgres=False, max_db_connections="1", query_wait_timeout="3")
    with psycopg.connect(server.dsn("odoo", "prod"), autocommit=True) as before:
        tables = before.execute("SELECT count(*) FROM pg_class").fetchone()
    report = verify(VerifyRequest(dsn=bouncer.dsn("odoo", "prod")))
    assert report.most_connections <= 8
    for database in ("prod", "postgres"):
        with psycopg.connect(bouncer.dsn("odoo", database), autocommit=True, prepare_threshold=None) as after:
            left = "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')"
            assert after.execute(left).fetchone() == (0,)
            assert after.execute("SELECT pg_listening_channels()").fetchall() == []
            assert after.execute("SELECT name FROM pg_prepared_statements").fetchall() == []
            assert after.execute("SELECT name FROM pg_cursors WHERE name LIKE 'slotwise%'").fetchall() == []
    with psycopg.connect(server.dsn("odoo", "prod"), autocommit=True) as later:
        assert later.execute("SELECT count(*) FROM pg_class").fetchone() == tables
        assert later.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'slotwise%'").fetchone() == (0,)


def test_production_listeners_hear_nothing_of_it(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn("odoo"), autocommit=True) as listener:
        for channel in ("imbus", "cron_trigger", "queue_job"):
            listener.execute(f"LISTEN {channel}")
        verify(VerifyRequest(dsn=server.dsn("odoo", "prod"), only=("listen-notify", "queue-job-listen")))
        listener.execute("SELECT 1")
        assert list(listener.notifies(timeout=0.2, stop_after=1)) == []


@pytest.mark.parametrize(
    "dsn", ["host=127.0.0.1 user=odoo", "dbname=postgres", "postgresql://odoo:se cret@@/x y", "a=b"]
)
def test_a_dsn_that_names_no_database_of_odoo_is_refused_without_its_password(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGDATABASE", raising=False)
    with pytest.raises(OperatorError) as error:
        verify(VerifyRequest(dsn=dsn))
    assert "cret" not in f"{error.value.problem} {error.value.remedy}"


def test_every_probe_is_found_and_says_what_it_means() -> None:
    found = probes()
    assert len({probe.need.id for probe in found}) == len(found) == 16
    for probe in found:
        assert probe.need.fine and probe.need.loss, probe.need.id
        assert probe.need.needed_by == "odoo" or probe.need.harmless, f"{probe.need.id} says why nobody misses it"


def test_the_floor_counts_every_worker_and_two_for_each_action() -> None:
    assert Load(8, 2).deadlock_floor == 13
    assert Load(None, 2).deadlock_floor is None


def test_the_command_line(server: PostgresServer) -> None:
    words = [sys.executable, "-m", "slotwise", "verify", "--dsn", server.dsn("odoo", "prod"), "--format", "json"]
    ran = subprocess.run(words, capture_output=True, timeout=120, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert json.loads(ran.stdout)["schema"] == "slotwise.verify/1"
    wrong = subprocess.run([*words, "--need", "nonsense"], capture_output=True, timeout=60, check=False)
    assert wrong.returncode == 2 and b"no such check" in wrong.stderr
