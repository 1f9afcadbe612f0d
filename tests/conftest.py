"""Fixtures of real servers. They start when a test first asks for them.

``postgres_server``   a server of each version (the test runs once for each); shared, so leave it as you found it
``pg15``              the same server as above, version 15 only
``start_postgres``    a server of your own: ``start_postgres(18, {"max_connections": "20"})``
``start_pgbouncer``   a PgBouncer of your own: ``start_pgbouncer({"*": "host=... port=..."}, {"pool_mode": "session"})``
``newest_program``    the newest PgBouncer of the distribution, for ``start_pgbouncer(..., program=newest_program)``
``start_standin``     a stand-in of an Odoo host: ``start_standin(db_port=server.port, workers=4, db_name=("prod",))``
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.standin.host import StandinHost
from slotwise.standin.settings import StandinSettings
from tests.servers import MAJOR_VERSIONS, binaries_for, newest_pgbouncer

# A shell without job control starts `make test &` with SIGINT ignored, and every program of the tests inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)

StartPostgres = Callable[..., PostgresServer]
StartPgBouncer = Callable[..., PgBouncerServer]
StartStandin = Callable[..., StandinHost]


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[PostgresServers]:
    with PostgresServers() as servers:
        yield servers


@pytest.fixture(scope="session")
def shared_server(postgres_servers: PostgresServers) -> Callable[[int], PostgresServer]:
    running: dict[int, PostgresServer] = {}

    def of_version(major_version: int) -> PostgresServer:
        if major_version not in running:
            running[major_version] = postgres_servers.start(binaries_for(major_version))
        return running[major_version]

    return of_version


@pytest.fixture(scope="session", params=MAJOR_VERSIONS, ids=lambda version: f"pg{version}")
def postgres_server(request: pytest.FixtureRequest, shared_server: Callable[[int], PostgresServer]) -> PostgresServer:
    return shared_server(request.param)


@pytest.fixture(scope="session")
def pg15(shared_server: Callable[[int], PostgresServer]) -> PostgresServer:
    return shared_server(15)


@pytest.fixture
def start_postgres(postgres_servers: PostgresServers) -> Iterator[StartPostgres]:
    with ExitStack() as running:

        def start(
            major_version: int = 15, settings: Mapping[str, str] | None = None, *, hba: Sequence[str] = ()
        ) -> PostgresServer:
            return running.enter_context(postgres_servers.start(binaries_for(major_version), settings, hba=hba))

        yield start


@pytest.fixture(scope="session")
def newest_program(postgres_servers: PostgresServers) -> Path:
    return newest_pgbouncer(postgres_servers.directory)


@pytest.fixture
def start_pgbouncer(postgres_servers: PostgresServers) -> Iterator[StartPgBouncer]:
    with ExitStack() as running:

        def start(
            databases: Mapping[str, str],
            settings: Mapping[str, str] | None = None,
            *,
            users: tuple[str, ...] = ("postgres", "odoo"),
            program: Path | None = None,
        ) -> PgBouncerServer:
            directory = postgres_servers.directory
            made = PgBouncerServer(directory, databases, settings, users=users, program=program)
            return running.enter_context(made)

        yield start


@pytest.fixture
def start_standin(tmp_path: Path) -> Iterator[StartStandin]:
    with ExitStack() as running:
        homes = 0

        def start(**settings: Any) -> StandinHost:
            nonlocal homes
            homes += 1
            home = tmp_path / f"odoo-{homes}"
            home.mkdir()
            return running.enter_context(StandinHost(StandinSettings(**settings), home))

        yield start
