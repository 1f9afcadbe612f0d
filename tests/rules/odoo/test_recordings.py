"""What the rules about Odoo's settings say on every recording. The recordings know neither the machine's cores nor the
owners of databases, so two rules are unknown there."""

from __future__ import annotations

import pytest

from tests.rules.recorded import Said, recordings, said

DEFAULT_POOL = {"default-odoo-pool-in-prefork": "info", "workers-oversubscribe-cores": "unknown"}
OWNERS_UNKNOWN = {"databases-unpinned": "unknown"}
MANY_IN_USE = {"databases-unpinned": "info"}

TABLE: dict[str, Said] = {
    "17-cron-job-running": DEFAULT_POOL,
    "17-pgbouncer-transaction-everything": DEFAULT_POOL | OWNERS_UNKNOWN,
    "17-prefork-1db-busy": DEFAULT_POOL,
    "17-prefork-unix-socket": DEFAULT_POOL | OWNERS_UNKNOWN,
    "18-cron-job-running": DEFAULT_POOL,
    "18-leaking-addon": DEFAULT_POOL | OWNERS_UNKNOWN,
    "18-pgbouncer-postgres-in-session": DEFAULT_POOL | OWNERS_UNKNOWN,
    "18-pgbouncer-transaction-everything": DEFAULT_POOL | OWNERS_UNKNOWN,
    "18-prefork-1db-busy": DEFAULT_POOL,
    "18-prefork-1db-idle": DEFAULT_POOL,
    "18-prefork-4db-after-load": DEFAULT_POOL | MANY_IN_USE,
    "18-prefork-unix-socket": DEFAULT_POOL | OWNERS_UNKNOWN,
    "18-saturated": DEFAULT_POOL | MANY_IN_USE,
    "18-threaded": {"threaded-in-production": "warning", "workers-oversubscribe-cores": "unknown"} | OWNERS_UNKNOWN,
}


def test_the_table_is_whole() -> None:
    assert tuple(sorted(TABLE)) == recordings()


@pytest.mark.parametrize("name", recordings())
def test_it_says_this_and_nothing_else(name: str) -> None:
    assert said(name, "odoo") == TABLE[name]
