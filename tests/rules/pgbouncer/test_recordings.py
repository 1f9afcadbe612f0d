"""What the rules about PgBouncer say on every recording. SHOW commands do not tell whether a wildcard entry exists."""

from __future__ import annotations

import pytest

from tests.rules.recorded import Said, recordings, said

TWO_POOLS = {"server-pools-above-slots": "info", "no-global-cap": "unknown"}

POOLED: dict[str, Said] = {
    "17-pgbouncer-transaction-everything": TWO_POOLS | {"listen-through-transaction-pool": "critical"},
    "18-pgbouncer-transaction-everything": TWO_POOLS | {"listen-through-transaction-pool": "critical"},
    "18-pgbouncer-postgres-in-session": TWO_POOLS,
}


@pytest.mark.parametrize("name", recordings())
def test_it_says_this_and_nothing_else(name: str) -> None:
    assert said(name, "pgbouncer") == POOLED.get(name, {})
