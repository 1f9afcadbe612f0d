"""What a stand-in does at its limits and as time passes, and how many connections it keeps."""

from __future__ import annotations

import psycopg
import pytest

from slotwise.demo.postgres_server import PostgresServer
from slotwise.errors import OperatorError
from slotwise.standin.flows import RequestOptions
from tests.conftest import StartPostgres, StartStandin
from tests.servers import create_odoo, odoo_sessions, until
from tests.standin.looking import applications


def test_at_db_maxconn_the_oldest_database_goes(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=0, db_maxconn=1)
    host.serve(1, "prod")
    host.serve(1, "test")
    until(lambda: [s.database for s in odoo_sessions(server)] == ["test"])


def test_all_borrowed_is_a_pool_error_and_is_logged(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=0, max_cron_threads=0, db_maxconn=2)
    outcomes = host.begin(3, "prod")
    assert [one.error_kind for one in outcomes] == [None, None, "pool_full"]
    assert outcomes[2].error == "The Connection Pool Is Full"
    assert "psycopg2.pool.PoolError: The Connection Pool Is Full" in host.log_file.read_text()


def test_time_alone_closes_nothing(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=0)
    host.serve(1, "prod")
    host.let_time_pass(10_000)
    assert len(odoo_sessions(server)) == 1
    host.serve(1, "test")
    until(lambda: [s.database for s in odoo_sessions(server)] == ["test"])


@pytest.mark.parametrize("version", [17, 18, 19])
def test_the_last_slot(start_postgres: StartPostgres, start_standin: StartStandin, version: int) -> None:
    server = start_postgres(15, {"max_connections": "8", "superuser_reserved_connections": "3"})
    create_odoo(server, ["prod"])
    host = start_standin(odoo_version=version, db_port=server.port, workers=6, max_cron_threads=1, db_name=("prod",))
    outcomes = host.begin(6, "prod")
    refused = [one for one in outcomes if not one.served]
    assert len(refused) == 2, "8 slots, 3 reserved, 1 LISTEN, 4 requests"
    assert {one.error_kind for one in refused} == {"refused"}
    assert all(one.error and "remaining connection slots are reserved" in one.error for one in refused)
    log = host.log_file.read_text()
    assert log.count("INFO ? odoo.sql_db: Connection to the database failed") == 2
    assert log.count("psycopg2.OperationalError: connection to server") == (0 if version == 17 else 2)
    for one in outcomes:
        host.finish(one)
    served = {one.pid for one in outcomes if one.served}
    assert {one.pid for one in host.serve(6, "prod") if one.served} == served, "what a worker holds stays its own"


def test_no_slot_for_the_start_is_an_error_with_the_servers_words(
    start_postgres: StartPostgres, start_standin: StartStandin
) -> None:
    server = start_postgres(15, {"max_connections": "5", "superuser_reserved_connections": "3"})
    create_odoo(server, ["prod"])
    with pytest.raises(OperatorError, match="remaining connection slots"):
        start_standin(db_port=server.port, workers=1, max_cron_threads=3)


@pytest.mark.parametrize(
    ("version", "kind", "alone", "kept"),
    [
        (17, "login", True, 2),
        (18, "login", True, 2),
        (19, "login", True, 1),
        (17, "login", False, 1),
        (18, "login", False, 1),
        (19, "login", False, 1),
        (17, "rpc", True, 2),
        (18, "rpc", True, 2),
        (19, "rpc", True, 2),
        (17, "rpc", False, 1),
        (18, "rpc", False, 1),
        (19, "rpc", False, 1),
        (18, "page", True, 1),
    ],
)
def test_one_or_two_per_database(
    server: PostgresServer, start_standin: StartStandin, version: int, kind: str, alone: bool, kept: int
) -> None:
    """docs/model-connections-per-worker.md: two when the request already has its database. The server offers two."""
    host = start_standin(
        odoo_version=version,
        db_port=server.port,
        workers=1,
        max_cron_threads=0,
        db_name=("prod",) if alone else (),
    )
    host.serve(1, "prod", kind=kind)  # type: ignore[arg-type]
    assert sum(applications(server, "prod").values()) == kept


@pytest.mark.parametrize("version", [17, 18, 19])
def test_a_cleared_cache_makes_it_two(server: PostgresServer, start_standin: StartStandin, version: int) -> None:
    host = start_standin(odoo_version=version, db_port=server.port, workers=1, max_cron_threads=0)
    host.serve(1, "prod", options=RequestOptions(clears_cache=True))
    assert sum(applications(server, "prod").values()) == 2


def test_without_tables_nothing_is_touched(start_postgres: StartPostgres, start_standin: StartStandin) -> None:
    server = start_postgres(15)
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE odoo LOGIN")
        connection.execute("CREATE DATABASE empty OWNER odoo")
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=1, db_name=("empty",), uses_tables=False)
    assert host.serve(2, "empty", kind="login", options=RequestOptions(writes=True))[1].served
    assert host.run_scheduled_action("empty").served
    assert host.leak("empty", cursors=1, raw=1).served
    assert host.open_websocket("empty").served
    with psycopg.connect(server.dsn(dbname="empty")) as connection:
        assert connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 2200").fetchone() == (0,)
