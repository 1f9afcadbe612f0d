"""A private PgBouncer in front of a private PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from slotwise.demo.postgres_server import PostgresServer
from slotwise.errors import OperatorError
from tests.conftest import StartPgBouncer
from tests.servers import pgbouncer_version, until


def everything(server: PostgresServer) -> dict[str, str]:
    return {"*": f"host=127.0.0.1 port={server.port}"}


def pool_mode(dsn: str) -> str:
    with psycopg.connect(dsn, autocommit=True) as console:
        result = console.pgconn.exec_(b"SHOW CONFIG")
        names = [result.fname(i) for i in range(result.nfields)]
        key, value = names.index(b"key"), names.index(b"value")
        rows = {result.get_value(row, key): result.get_value(row, value) for row in range(result.ntuples)}
    mode = rows[b"pool_mode"]
    assert mode is not None
    return mode.decode()


def test_it_passes_queries_on(pg15: PostgresServer, start_pgbouncer: StartPgBouncer) -> None:
    bouncer = start_pgbouncer(everything(pg15), {"pool_mode": "transaction"})
    for over_socket in (False, True):
        with psycopg.connect(bouncer.dsn("postgres", "postgres", over_socket=over_socket)) as connection:
            row = connection.execute("SELECT inet_server_port()").fetchone()
        assert row == (pg15.port,)


def test_its_console_shows_the_settings_and_reload_changes_them(
    pg15: PostgresServer, start_pgbouncer: StartPgBouncer
) -> None:
    bouncer = start_pgbouncer(everything(pg15), {"pool_mode": "transaction"})
    assert pool_mode(bouncer.dsn("postgres")) == "transaction"
    bouncer.reload(settings={"pool_mode": "session"})
    until(lambda: pool_mode(bouncer.dsn("postgres")) == "session")


def test_stopped_it_refuses(pg15: PostgresServer, start_pgbouncer: StartPgBouncer) -> None:
    bouncer = start_pgbouncer(everything(pg15))
    bouncer.stop()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(bouncer.dsn("postgres", "postgres"))
    with pytest.raises(OperatorError):
        _ = bouncer.pid


def test_a_bad_setting_is_an_operator_error_with_its_words(
    pg15: PostgresServer, start_pgbouncer: StartPgBouncer
) -> None:
    with pytest.raises(OperatorError, match="pool_mode"):
        start_pgbouncer(everything(pg15), {"pool_mode": "sometimes"})


def test_the_newest_one_runs_beside_the_installed_one(
    pg15: PostgresServer, start_pgbouncer: StartPgBouncer, newest_program: Path
) -> None:
    bouncer = start_pgbouncer(everything(pg15), {"pool_mode": "transaction"}, program=newest_program)
    assert pool_mode(bouncer.dsn("postgres")) == "transaction"
    assert Path(f"/proc/{bouncer.pid}/exe").readlink().name == "pgbouncer"
    assert tuple(int(part) for part in pgbouncer_version(newest_program).split(".")) >= (1, 23)
