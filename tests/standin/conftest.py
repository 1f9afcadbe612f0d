"""One server for all tests of the stand-in that only need a database or two."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from tests.servers import binaries_for, create_odoo, odoo_sessions, until


@pytest.fixture(scope="session")
def two_databases(postgres_servers: PostgresServers) -> Iterator[PostgresServer]:
    """PostgreSQL 15 with the databases ``prod`` and ``test`` of the role ``odoo``."""
    with postgres_servers.start(binaries_for(15)) as server:
        create_odoo(server, ["prod", "test"])
        yield server


@pytest.fixture
def server(two_databases: PostgresServer) -> PostgresServer:
    """The same, without a session of ``odoo``: also what an earlier test has orphaned in a long statement is ended."""
    with psycopg.connect(two_databases.dsn(), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'odoo'")
    until(lambda: not odoo_sessions(two_databases))
    return two_databases
