"""Ending one session of a real server: the right one, gently, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from msgspec import structs

from slotwise.apply.audit_log import AuditLog
from slotwise.apply.reaper import Act, Waiting, acting_connection, end_session
from slotwise.collectors.runner import Request, collect
from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.fixes.reaping import Condemned, chosen_session
from tests.conftest import StartPostgres
from tests.servers import MAJOR_VERSIONS, binaries_for, create_odoo, until

Session = psycopg.Connection[tuple[object, ...]]
SOON = Waiting(cancel_seconds=0.5, terminate_seconds=10)
PATIENT = Waiting(cancel_seconds=10, terminate_seconds=10)
STUBBORN = """
DO $$ BEGIN LOOP
  BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END;
END LOOP; END $$
"""


@pytest.fixture(scope="module", params=MAJOR_VERSIONS, ids=lambda version: f"pg{version}")
def server(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> Iterator[PostgresServer]:
    with postgres_servers.start(binaries_for(request.param)) as running:
        create_odoo(running, ["prod"])
        yield running


@pytest.fixture
def audit(tmp_path: Path) -> Iterator[AuditLog]:
    with AuditLog(tmp_path / "reap.jsonl") as log:
        yield log


@pytest.fixture
def session(server: PostgresServer) -> Iterator[Session]:
    with closing(psycopg.connect(server.dsn("odoo", "prod"), autocommit=True)) as connection:
        yield connection


def pid_of(session: Session) -> int:
    row = session.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None and isinstance(row[0], int)
    return row[0]


def in_transaction(session: Session) -> int:
    pid = pid_of(session)
    session.execute("BEGIN; SELECT 'password=hunter2'")
    return pid


def running(session: Session, statement: str) -> int:
    pid = pid_of(session)
    session.pgconn.send_query(statement.encode())
    session.pgconn.flush()
    return pid


def judged(server: PostgresServer, pid: int, state: str) -> Condemned:
    """The session as slotwise sees it, once it is in ``state``."""

    def look() -> Condemned | None:
        snapshot, _ = collect(Request(dsn=server.dsn(), timeout_seconds=20))
        activity = snapshot.activity
        assert hasattr(activity, "backends"), activity
        row = next(b for b in activity.backends if b.pid == pid)
        if row.state != state or row.backend_start is None:
            return None
        condemned = chosen_session(snapshot, pid, row.backend_start, "a test")
        assert isinstance(condemned, Condemned), condemned
        return condemned

    return until(look)


def end(server: PostgresServer, condemned: Condemned, audit: AuditLog, waiting: Waiting = PATIENT) -> Act:
    with acting_connection(server.dsn()) as connection:
        return end_session(connection, condemned, audit, waiting=waiting)


def alive(session: Session) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def test_what_is_idle_in_transaction_is_ended(server: PostgresServer, session: Session, audit: AuditLog) -> None:
    condemned = judged(server, in_transaction(session), "idle in transaction")
    act = end(server, condemned, audit)
    assert (act.outcome, act.signals) == ("ended", ("terminate",))
    assert not alive(session)
    meant, done = (json.loads(line) for line in audit.file.read_text().splitlines())
    assert (meant["phase"], done["phase"], done["outcome"]) == ("meant", "done", "ended")
    assert meant["pid"] == condemned.pid and meant["reason"] == "a test" and meant["owner"]
    assert "hunter2" not in audit.file.read_text() and "SELECT" in meant["query"]


def test_a_statement_is_cancelled_and_its_session_stays(
    server: PostgresServer, session: Session, audit: AuditLog
) -> None:
    act = end(server, judged(server, running(session, "SELECT pg_sleep(100)"), "active"), audit)
    assert (act.outcome, act.signals) == ("cancelled", ("cancel",))
    while session.pgconn.get_result() is not None:
        pass
    assert alive(session)


def test_a_statement_that_takes_no_cancel_is_terminated(
    server: PostgresServer, session: Session, audit: AuditLog
) -> None:
    act = end(server, judged(server, running(session, STUBBORN), "active"), audit, SOON)
    assert (act.outcome, act.signals) == ("ended", ("cancel", "terminate"))


def test_another_session_with_the_same_pid_is_left_alone(
    server: PostgresServer, session: Session, audit: AuditLog
) -> None:
    condemned = judged(server, in_transaction(session), "idle in transaction")
    for off in (-0.001, 0.001, 3600.0):
        reused = structs.replace(condemned, backend_start=condemned.backend_start + off)
        act = end(server, reused, audit)
        assert (act.outcome, act.signals) == ("gone", ())
    assert alive(session)


@pytest.mark.parametrize("then", ["SELECT 2", "COMMIT", "BEGIN; SELECT 3"])
def test_a_session_that_works_again_is_left_alone(
    server: PostgresServer, session: Session, audit: AuditLog, then: str
) -> None:
    condemned = judged(server, in_transaction(session), "idle in transaction")
    session.execute(then)
    assert end(server, condemned, audit).outcome == "changed"
    assert alive(session)


def test_a_session_that_left_is_gone(server: PostgresServer, session: Session, audit: AuditLog) -> None:
    condemned = judged(server, in_transaction(session), "idle in transaction")
    session.close()
    with psycopg.connect(server.dsn(), autocommit=True) as other:
        query = "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = %s"
        until(lambda: (other.execute(query, [condemned.pid]).fetchone() or [None])[0])
    assert end(server, condemned, audit).outcome == "gone"


def test_a_superusers_session_is_not_ended_even_when_it_was_condemned(server: PostgresServer, audit: AuditLog) -> None:
    with psycopg.connect(server.dsn("odoo", "prod"), autocommit=True) as session:
        condemned = judged(server, in_transaction(session), "idle in transaction")
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute("ALTER ROLE odoo SUPERUSER")
            try:
                assert end(server, condemned, audit).outcome == "changed"
            finally:
                admin.execute("ALTER ROLE odoo NOSUPERUSER")
        assert alive(session)


def test_without_the_right_nothing_happens_and_that_is_said(
    server: PostgresServer, session: Session, audit: AuditLog
) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher")
    try:
        condemned = judged(server, in_transaction(session), "idle in transaction")
        with acting_connection(server.dsn("watcher", "prod")) as connection:
            act = end_session(connection, condemned, audit)
        assert act.outcome == "refused" and act.words
        assert json.loads(audit.file.read_text().splitlines()[-1])["outcome"] == "refused"
        assert alive(session)
    finally:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute("DROP ROLE watcher")


def test_a_role_that_may_signal_is_enough(server: PostgresServer, session: Session, audit: AuditLog) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE ROLE ender LOGIN; GRANT pg_monitor, pg_signal_backend TO ender")
    try:
        condemned = judged(server, in_transaction(session), "idle in transaction")
        with acting_connection(server.dsn("ender", "prod")) as connection:
            assert end_session(connection, condemned, audit).outcome == "ended"
    finally:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute("DROP ROLE ender")


def test_a_server_that_dies_in_between(start_postgres: StartPostgres, audit: AuditLog) -> None:
    server = start_postgres(15)
    create_odoo(server, ["prod"])
    session = psycopg.connect(server.dsn("odoo", "prod"), autocommit=True)
    condemned = judged(server, in_transaction(session), "idle in transaction")
    with acting_connection(server.dsn()) as connection:
        server.stop()
        act = end_session(connection, condemned, audit)
    assert (act.outcome, act.signals) == ("lost", ())
    assert [json.loads(line)["phase"] for line in audit.file.read_text().splitlines()] == ["meant", "done"]
    session.close()
