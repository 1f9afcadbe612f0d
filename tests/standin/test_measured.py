"""The stand-in against what was counted on real Odoo 17.0 and 18.0 hosts (community, PostgreSQL 15, 2 cores).

There, 16 clients logged in, then searched and created partners over JSON-RPC for 25 s; the server held other databases
of the same role too. A row: version, workers, cron threads, databases, preloaded; connections right after the start,
after the load, and how many of them on ``postgres``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.standin.flows import RequestOptions
from slotwise.standin.host import StandinHost
from tests.conftest import StartStandin
from tests.servers import binaries_for, create_odoo, odoo_sessions, until

CLIENTS = 16

ROWS = [
    # version, workers, crons, databases, preloaded, start, after load, on postgres
    (17, 4, 2, 1, True, 2, 10, 2),
    (17, 4, 2, 1, False, 2, 6, 2),
    (17, 4, 2, 4, False, 2, 18, 2),
    (17, 0, 2, 1, False, 2, 18, 2),
    (18, 4, 2, 1, True, 2, 10, 2),
    (18, 4, 2, 1, False, 2, 6, 2),
    (18, 4, 2, 4, False, 2, 18, 2),
    (18, 4, 2, 6, False, 2, 26, 2),
    (18, 8, 2, 1, True, 2, 18, 2),
    (18, 0, 2, 1, False, 2, 18, 2),
]


def by_database(server: PostgresServer) -> Counter[str]:
    return Counter(session.database for session in odoo_sessions(server))


def comes_to(server: PostgresServer, wanted: dict[str, int]) -> bool:
    """Await the counts: a short session on postgres leaves pg_stat_activity a moment after its end."""
    return until(lambda: by_database(server) == wanted)


def load(host: StandinHost, databases: list[str]) -> None:
    """Each client logs in and works, in each database; every HTTP worker takes part."""
    for database in databases:
        logins = host.serve(CLIENTS, database, kind="login", concurrent=CLIENTS)
        work = host.serve(CLIENTS * 3, database, concurrent=CLIENTS, options=RequestOptions(writes=True))
        assert all(outcome.served for outcome in logins + work)


@pytest.fixture(scope="module")
def six_databases(postgres_servers: PostgresServers) -> Iterator[PostgresServer]:
    with postgres_servers.start(binaries_for(15)) as server:
        create_odoo(server, [f"db{n}" for n in range(6)])
        yield server


@pytest.fixture
def server(six_databases: PostgresServer) -> PostgresServer:
    until(lambda: not odoo_sessions(six_databases))
    return six_databases


@pytest.mark.parametrize(
    ("version", "workers", "crons", "databases", "preloaded", "at_start", "after_load", "on_postgres"), ROWS
)
def test_row(
    server: PostgresServer,
    start_standin: StartStandin,
    version: int,
    workers: int,
    crons: int,
    databases: int,
    preloaded: bool,
    at_start: int,
    after_load: int,
    on_postgres: int,
) -> None:
    names = [f"db{n}" for n in range(databases)]
    host = start_standin(
        odoo_version=version,
        workers=workers,
        max_cron_threads=crons,
        db_port=server.port,
        db_name=tuple(names) if preloaded else (),
    )
    comes_to(server, {"postgres": at_start})
    load(host, names)
    per_database, rest = divmod(after_load - on_postgres, databases)
    assert rest == 0
    comes_to(server, {"postgres": on_postgres, **dict.fromkeys(names, per_database)})


def test_a_long_run_with_jobs_of_version_17(server: PostgresServer, start_standin: StartStandin) -> None:
    """200 s, preloaded: 12 on the database (8 HTTP, 4 cron), 2 LISTEN. One cron worker had run a job, one had not."""
    host = start_standin(odoo_version=17, db_port=server.port, db_name=("db0",))
    load(host, ["db0"])
    host.poll_jobs()
    assert host.run_scheduled_action("db0").served
    comes_to(server, {"postgres": 2, "db0": 12})


def test_a_long_run_with_jobs_of_version_18(server: PostgresServer, start_standin: StartStandin) -> None:
    """200 s, preloaded: 14 on the database (8 HTTP, 6 cron), 2 LISTEN. Both cron workers had run jobs."""
    host = start_standin(odoo_version=18, db_port=server.port, db_name=("db0",))
    load(host, ["db0"])
    for worker in (0, 1):
        assert host.run_scheduled_action("db0", worker=worker).served
    comes_to(server, {"postgres": 2, "db0": 14})


def test_jobs_in_one_of_several_databases(server: PostgresServer, start_standin: StartStandin) -> None:
    """200 s, 4 databases: 16 HTTP, 6 more on one database while cron worked there, 2 LISTEN; then 18 again."""
    host = start_standin(odoo_version=18, db_port=server.port)
    names = ["db0", "db1", "db2", "db3"]
    load(host, names)
    jobs = [host.begin_scheduled_action("db2", worker=worker) for worker in (0, 1)]
    comes_to(server, {"postgres": 2, "db0": 4, "db1": 4, "db2": 10, "db3": 4})
    for job in jobs:
        host.finish(job)
    comes_to(server, {"postgres": 2, **dict.fromkeys(names, 4)})


@pytest.mark.parametrize("version", [17, 18, 19])
def test_a_running_job_adds_three_and_a_websocket_two(
    server: PostgresServer, start_standin: StartStandin, version: int
) -> None:
    host = start_standin(odoo_version=version, db_port=server.port, db_name=("db0",), max_cron_threads=1)
    comes_to(server, {"postgres": 1})
    host.begin_scheduled_action("db0")
    comes_to(server, {"postgres": 1, "db0": 3})
    assert host.open_websocket("db0").served
    comes_to(server, {"postgres": 2, "db0": 4})
