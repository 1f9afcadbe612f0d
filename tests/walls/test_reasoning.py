from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.walls.causes import CAUSES
from slotwise.walls.kinds import Wall
from slotwise.walls.reasoning import Evidence, probable_cause

POSTGRES_FULL = {("postgres", Wall.PG_RESERVED.value): 9}
POOL_FULL = {("odoo", Wall.ODOO_POOL.value): 9}


def evidence(walls: dict[tuple[str, str], int], kinds: dict[str, int] | None = None, **known: object) -> Evidence:
    return Evidence(walls=walls, kinds=kinds or {}, before={}, databases=1)._replace(**known)  # type: ignore[arg-type]


def test_the_remedies_of_a_full_pool_and_a_full_server_are_opposite() -> None:
    pool, server = probable_cause(evidence(POOL_FULL)).cause, probable_cause(evidence(POSTGRES_FULL)).cause
    assert "raise db_maxconn" in pool.remedy
    assert "do not raise max_connections" in (pool.avoid or "")
    assert "lower db_maxconn" in server.remedy
    assert "do not raise db_maxconn" in (server.avoid or "")


@pytest.mark.parametrize(
    ("walls", "kinds", "known", "cause"),
    [
        (POSTGRES_FULL, {}, {}, "slots-exhausted"),
        (POSTGRES_FULL, {"leak_warning": 3}, {}, "leak"),
        (POSTGRES_FULL, {"lock_wait": 5}, {}, "lock-pileup"),
        (POSTGRES_FULL, {}, {"before": {"odoo_start": 1}}, "deploy-surge"),
        (POSTGRES_FULL, {}, {"databases": 12}, "database-fanout"),
        (POSTGRES_FULL, {}, {"jobs_just_begun": 4, "databases": 12}, "cron-surge"),
        (POSTGRES_FULL, {}, {"jobs_just_begun": 2}, "slots-exhausted"),
        (POOL_FULL, {"gevent_retries": 2}, {}, "gevent-pool-small"),
        ({**POSTGRES_FULL, ("pgbouncer", "pg_reserved"): 4}, {}, {}, "pooler-above-slots"),
        ({("pgbouncer", "pgb_query_wait"): 4}, {}, {}, "pooler-starved"),
        ({("pgbouncer", "pgb_query_wait"): 4}, {"pgb_connect_failed": 3}, {}, "server-down"),
        ({("pgbouncer", "fd_limit"): 1, ("odoo", "pgb_query_wait"): 50}, {}, {}, "file-limit"),
        ({}, {"pg_killed": 1, "pg_starting": 4}, {}, "server-killed"),
        ({}, {"pg_shutdown_requested": 1, "connection_refused": 4}, {}, "server-restart"),
        ({}, {}, {}, "not-known"),
    ],
)
def test_the_most_telling_reason_wins(
    walls: dict[tuple[str, str], int], kinds: dict[str, int], known: dict[str, object], cause: str
) -> None:
    assert probable_cause(evidence(walls, kinds, **known)).cause.slug == cause


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["odoo", "postgres", "pgbouncer"]), st.sampled_from([wall.value for wall in Wall])),
        st.integers(1, 1000),
        max_size=6,
    )
)
def test_advice_never_contradicts_itself(walls: dict[tuple[str, str], int]) -> None:
    reasoned = probable_cause(evidence(walls))
    assert reasoned.cause is CAUSES[reasoned.cause.slug]
    only_pool = {wall for _, wall in walls} == {Wall.ODOO_POOL.value}
    if only_pool:
        assert "max_connections" not in reasoned.cause.remedy
