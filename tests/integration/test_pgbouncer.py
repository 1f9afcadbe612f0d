"""A real PgBouncer's console, let in and refused, and a collection behind it."""

from __future__ import annotations

import os
import signal

import psycopg
import pytest

from slotwise.collectors.runner import Request, collect
from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers
from tests.conftest import StartPgBouncer, StartPostgres
from tests.servers import create_odoo


@pytest.fixture
def pool(start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer) -> PgBouncerServer:
    server = start_postgres(15)
    create_odoo(server)
    behind = f"host=127.0.0.1 port={server.port}"
    databases = {"postgres": f"{behind} pool_mode=session", "*": behind}
    return start_pgbouncer(databases, {"pool_mode": "transaction", "default_pool_size": "7"})


def look(pool: PgBouncerServer, user: str, seconds: float = 20.0) -> Snapshot:
    # By another pool than the one that is counted: both are looked at at the same time.
    request = Request(dsn=pool.dsn("odoo", "postgres"), pgbouncer_dsns=(pool.dsn(user),), timeout_seconds=seconds)
    return collect(request)[0]


def console(snapshot: Snapshot) -> PgBouncer:
    assert isinstance(snapshot.pgbouncers, PgBouncers)
    (seen,) = snapshot.pgbouncers.pgbouncers
    return seen


def test_the_console_of_an_administrator_is_read_by_name(pool: PgBouncerServer) -> None:
    with psycopg.connect(pool.dsn("odoo", "prod")) as client:
        client.execute("SELECT 1")
        snapshot = look(pool, "postgres")
        seen = console(snapshot)
        assert seen.version is not None and seen.version.startswith("1.")
        assert (seen.config["pool_mode"], seen.config["default_pool_size"]) == ("transaction", "7")
        assert seen.pool_mode_of("postgres") == "session"
        here = [p for p in seen.pools if p.database == "prod" and p.user == "odoo"]
        assert [(p.pool_mode, p.cl_active >= 1, p.sv_active) for p in here] == [("transaction", True, 1)]
        linked = [s for s in seen.servers if s.database == "prod" and s.link]
        assert [s.remote_pid for s in linked] == [client.execute("SELECT pg_backend_pid()").fetchone()[0]]
        assert seen.lists["used_clients"] >= 1
    named = [s for s in snapshot.sources if s.name.startswith(("PostgreSQL", "--pgbouncer"))]
    assert [s.state for s in named] == ["ok", "ok"]


def test_a_user_without_the_right_is_told_how_to_get_it(pool: PgBouncerServer) -> None:
    snapshot = look(pool, "odoo")
    assert isinstance(snapshot.pgbouncers, Unavailable)
    assert "stats_users" in snapshot.pgbouncers.remedy
    assert not isinstance(snapshot.activity, Unavailable)


def test_a_pgbouncer_that_stands_still_keeps_nobody_else_from_answering(
    pool: PgBouncerServer, start_postgres: StartPostgres
) -> None:
    server = start_postgres(15)
    os.kill(pool.pid, signal.SIGSTOP)
    try:
        request = Request(dsn=server.dsn(), pgbouncer_dsns=(pool.dsn("postgres"),), timeout_seconds=1.5)
        snapshot, _ = collect(request)
    finally:
        os.kill(pool.pid, signal.SIGCONT)
    assert isinstance(snapshot.pgbouncers, Unavailable) and "did not answer within" in snapshot.pgbouncers.reason
    assert not isinstance(snapshot.activity, Unavailable)


def test_the_pools_limit_is_a_wall_of_its_own(start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer) -> None:
    server = start_postgres(15)
    create_odoo(server)
    pool = start_pgbouncer({"*": f"host=127.0.0.1 port={server.port}"}, {"max_client_conn": "1"})
    with psycopg.connect(pool.dsn("odoo", "prod")):
        snapshot = look(pool, "postgres")
    assert isinstance(snapshot.activity, Unavailable)
    assert not isinstance(snapshot.refusals, Unavailable)
    assert [r.wall for r in snapshot.refusals.refusals] == ["pgb_max_client_conn"]
    # The console lets its administrator in all the same.
    assert console(snapshot).lists["used_clients"] >= 1


def test_a_connection_string_that_cannot_be_read_is_the_operators_mistake(pool: PgBouncerServer) -> None:
    with pytest.raises(OperatorError, match="--pgbouncer"):
        collect(Request(dsn=pool.dsn("odoo", "prod"), pgbouncer_dsns=("hst=x",), timeout_seconds=20))
