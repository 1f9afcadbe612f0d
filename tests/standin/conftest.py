"""One server for all tests of the stand-in that only need a database or two."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from tests.servers import binaries_for, create_odoo


@pytest.fixture(scope="session")
def two_databases(postgres_servers: PostgresServers) -> Iterator[PostgresServer]:
    """PostgreSQL 15 with the databases ``prod`` and ``test`` of the role ``odoo``."""
    with postgres_servers.start(binaries_for(15)) as server:
        create_odoo(server, ["prod", "test"])
        yield server
