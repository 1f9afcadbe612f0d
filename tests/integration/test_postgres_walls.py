"""Every way in which a real server does not answer: each is named, within the deadline, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from slotwise.collectors.pg_session import PostgresAnswer, PostgresJob, perform_postgres
from slotwise.collectors.pg_target import Target
from slotwise.collectors.runner import Request, collect
from slotwise.demo.postgres_server import PostgresServer
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Activity, Server, Settings
from slotwise.snapshot.refusals import Refusal, Refusals
from slotwise.snapshot.sessions import sessions as seen_sessions
from tests.conftest import StartPgBouncer, StartPostgres
from tests.servers import MAJOR_VERSIONS, create_odoo, until

SMALL = {"max_connections": "9", "superuser_reserved_connections": "3", "autovacuum": "off", "max_wal_senders": "0"}


def look(dsn: str, seconds: float = 20.0) -> Snapshot:
    return collect(Request(dsn=dsn, timeout_seconds=seconds))[0]


def refusals(snapshot: Snapshot) -> tuple[Refusal, ...]:
    assert isinstance(snapshot.refusals, Refusals)
    return snapshot.refusals.refusals


def attempt(dsn: str, seconds: float = 10.0) -> PostgresAnswer:
    """One attempt in this process, without what comes after it."""
    steps: list[PostgresAnswer] = []
    perform_postgres(PostgresJob(Target("--dsn", dsn), time.time(), seconds), steps.append)
    return steps[-1]


@contextmanager
def sessions(dsn: str, count: int) -> Iterator[list[psycopg.Connection]]:
    with ExitStack() as open_:
        yield [open_.enter_context(psycopg.connect(dsn, autocommit=True)) for _ in range(count)]


@pytest.fixture(params=MAJOR_VERSIONS, ids=lambda version: f"pg{version}")
def small(request: pytest.FixtureRequest, start_postgres: StartPostgres) -> PostgresServer:
    server = start_postgres(request.param, SMALL)
    create_odoo(server)
    return server


def test_full_for_ordinary_roles(small: PostgresServer) -> None:
    with sessions(small.dsn("odoo", "prod"), 6):
        answer = attempt(small.dsn("odoo"))
        assert answer.failure is not None and answer.failure.wall == "pg_reserved"
        superuser = attempt(small.dsn())
        assert superuser.failure is None and superuser.parts is not None
        mine = [b for b in superuser.parts.activity.backends if b.user == "odoo"]
        assert len(mine) == 6


def test_full_to_the_last_slot(small: PostgresServer) -> None:
    with sessions(small.dsn("odoo", "prod"), 6), sessions(small.dsn(), 3):
        snapshot = look(small.dsn("odoo"))
    (refused,) = refusals(snapshot)
    assert refused.wall == "pg_max_connections"
    assert refused.user == "odoo" and refused.database == "postgres"
    assert isinstance(snapshot.activity, Unavailable) and "too many clients" in snapshot.activity.reason
    assert isinstance(snapshot.settings, Settings)
    limit = snapshot.settings.need("max_connections")
    assert (limit.value, limit.read_from) == (SMALL["max_connections"], "pg_controldata")
    seen = seen_sessions(snapshot)
    assert isinstance(seen, Sessions) and seen.exact
    assert Counter(h.backend.user for h in seen.held) == {"odoo": 6, "postgres": 3}
    assert {h.owner.certainty for h in seen.held} == {"known"}
    assert [s.state for s in snapshot.sources if s.name.startswith("PostgreSQL")] == ["failed"]


def test_root_gets_in_by_the_reserve_and_the_wall_stays_known(small: PostgresServer) -> None:
    with sessions(small.dsn("odoo", "prod"), 6):
        snapshot = look(small.dsn("odoo", "prod"))
    (refused,) = refusals(snapshot)
    assert (refused.wall, refused.user, refused.database) == ("pg_reserved", "odoo", "prod")
    if os.geteuid() == 0:
        assert isinstance(snapshot.activity, Activity) and snapshot.activity.masked == 0
        assert isinstance(snapshot.server, Server) and snapshot.server.user == "postgres"
        assert snapshot.server.address.startswith(str(small.socket_dir))
    else:
        assert isinstance(snapshot.activity, Unavailable) and "reserved" in snapshot.activity.reason
    seen = seen_sessions(snapshot)
    assert isinstance(seen, Sessions)
    assert Counter(h.backend.user for h in seen.held) == {"odoo": 6}


def test_full_of_connections_that_never_log_in(start_postgres: StartPostgres) -> None:
    server = start_postgres(15, {**SMALL, "max_worker_processes": "1", "autovacuum_max_workers": "1"})
    with ExitStack() as open_:

        def refused() -> str | None:
            for _ in range(5):
                open_.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            failure = attempt(server.dsn()).failure
            return failure.wall if failure is not None else None

        assert until(refused) == "pg_process_table"


@pytest.mark.parametrize(
    ("limit", "wall"),
    [("ROLE odoo CONNECTION LIMIT 2", "pg_role_limit"), ("DATABASE prod CONNECTION LIMIT 2", "pg_db_limit")],
)
def test_limits_of_roles_and_databases(start_postgres: StartPostgres, limit: str, wall: str) -> None:
    server = start_postgres(15)
    create_odoo(server)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"ALTER {limit}".encode())
    with sessions(server.dsn("odoo", "prod"), 2):
        answer = attempt(server.dsn("odoo", "prod"))
    assert answer.failure is not None and answer.failure.wall == wall


def test_a_server_that_is_stopped_dead_does_not_hold_the_answer_up(start_postgres: StartPostgres) -> None:
    server = start_postgres(15)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        snapshot = look(server.dsn(), 1.0)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert isinstance(snapshot.activity, Unavailable) and "was not answered within 0." in snapshot.activity.reason
    assert refusals(snapshot) == ()


def test_a_server_whose_catalogs_are_locked_does_not_hold_the_answer_up(start_postgres: StartPostgres) -> None:
    server = start_postgres(15)
    with psycopg.connect(server.dsn()) as locker:
        # Every login reads it (postinit.c, process_settings), so every login waits.
        locker.execute("LOCK pg_db_role_setting IN ACCESS EXCLUSIVE MODE")
        snapshot = look(server.dsn(), 1.0)
    assert isinstance(snapshot.activity, Unavailable) and "was not answered within 0." in snapshot.activity.reason


def test_killed_while_it_is_asked(start_postgres: StartPostgres) -> None:
    server = start_postgres(15)
    steps: list[PostgresAnswer] = []

    def tell(answer: PostgresAnswer) -> None:
        steps.append(answer)
        if answer.step == "asking":
            server.stop("immediate")

    perform_postgres(PostgresJob(Target("--dsn", server.dsn()), time.time(), 10.0), tell)
    assert steps[-1].step == "failed" and steps[-1].failure is not None
    assert steps[-1].failure.wall is None and steps[-1].parts is None
    gone = attempt(server.dsn())
    assert gone.failure is not None and gone.failure.kind == "connection_refused"


def test_passwords(start_postgres: StartPostgres) -> None:
    server = start_postgres(18, hba=("host all guarded 127.0.0.1/32 scram-sha-256",))
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE ROLE guarded LOGIN PASSWORD 'r1ght-One'")
    dsn = server.dsn("guarded")
    assert attempt(f"{dsn} password=r1ght-One").step == "complete"
    for given in (f"{dsn} password=wr0ng-One", dsn):
        failure = attempt(given).failure
        assert failure is not None and (failure.kind, failure.wall) == ("authentication", None)
        assert "wr0ng" not in repr(failure)


def test_a_database_that_does_not_exist_and_the_next_one_that_does(start_postgres: StartPostgres) -> None:
    server = start_postgres(15)
    failure = attempt(server.dsn(dbname="nix")).failure
    assert failure is not None and failure.kind == "database_missing"
    steps: list[PostgresAnswer] = []
    target = Target("odoo.conf", server.dsn(dbname="nix"), fallback_databases=("nix", "template1"))
    perform_postgres(PostgresJob(target, time.time(), 10.0), steps.append)
    assert (steps[-1].step, steps[-1].database) == ("complete", "template1")


def test_through_a_pgbouncer(start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer) -> None:
    server = start_postgres(15)
    create_odoo(server)
    pool = start_pgbouncer({"*": f"host=127.0.0.1 port={server.port}"}, {"pool_mode": "transaction"})
    snapshot, discovery = collect(Request(dsn=pool.dsn("odoo", "prod"), timeout_seconds=20))
    assert not isinstance(snapshot.activity, Unavailable)
    assert any("pooler" in sentence for sentence in discovery.sentences)
    with psycopg.connect(pool.dsn("odoo", "prod")) as later:
        # Nothing of the collection stays behind on the shared server connection.
        assert later.execute("SHOW statement_timeout").fetchone() == ("0",)
        assert later.execute("SHOW lock_timeout").fetchone() == ("0",)


@pytest.mark.parametrize(
    "dsn",
    ["postgres://odoo:se/cret@host/x", "postgres://odoo:se@cret@host/x", "hst=localhost", "postgres://[::1/x"],
)
def test_a_connection_string_that_cannot_be_read_is_the_operators_mistake(dsn: str) -> None:
    with pytest.raises(OperatorError) as mistake:
        look(dsn)
    assert "--dsn" in mistake.value.problem
    assert "cret" not in mistake.value.problem + mistake.value.remedy
