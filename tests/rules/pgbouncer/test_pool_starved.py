from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Fix, Manual, SetPoolDatabase, Severity
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.pgbouncer import Pool
from tests.build import findings, mended, pgbouncer, verdict
from tests.rules.pgbouncer.pooled import direct, pooled

SLUG = "pool-starved"


def _pool(waiting: int, maxwait: float, active: int = 20, idle: int = 0, login: int = 0, **config: str) -> Snapshot:
    caps = {"max_db_connections": "0", "max_user_connections": "0", **config}
    one = pgbouncer(config=caps)
    mode = config.get("pool_mode", "transaction")
    pool = Pool("prod", "odoo", mode, active, waiting, active, idle, 0, 0, login, maxwait)
    return pooled(structs.replace(one, pools=(pool, *one.pools[1:])))


def _fix(snapshot: Snapshot) -> Fix:
    fix = findings(snapshot, SLUG)[0].fix
    assert fix is not None
    return fix


def test_silent_where_nobody_waits_or_not_for_long() -> None:
    assert findings(pooled(pgbouncer()), SLUG) == ()
    assert findings(_pool(3, 0.9), SLUG) == ()
    assert findings(_pool(0, 0.0), SLUG) == ()


def test_silent_where_odoo_connects_directly() -> None:
    snapshot = _pool(3, 5.0)
    assert findings(structs.replace(direct(), pgbouncers=snapshot.pgbouncers), SLUG) == ()


def test_speaks_where_all_servers_are_taken() -> None:
    said = verdict(_pool(5, 2.0), SLUG)
    assert said.severity is Severity.WARNING
    assert "5 clients wait" in said.findings[0].message and "too small" in said.findings[0].message


def test_speaks_critically_near_query_wait_timeout() -> None:
    assert verdict(_pool(5, 15.0), SLUG).severity is Severity.CRITICAL
    assert verdict(_pool(5, 14.0), SLUG).severity is Severity.WARNING


def test_tells_the_causes_apart() -> None:
    assert "logins to PostgreSQL fail" in findings(_pool(5, 2.0, active=0, login=1), SLUG)[0].message
    assert "only 7 of 20 servers" in findings(_pool(5, 2.0, active=7), SLUG)[0].message
    assert (
        "max_user_connections 10 is reached"
        in findings(_pool(5, 2.0, active=7, max_user_connections="10"), SLUG)[0].message
    )
    assert "do not give them back" in findings(_pool(5, 2.0, pool_mode="session"), SLUG)[0].message


def test_a_larger_pool_is_proposed_only_where_postgresql_has_slots() -> None:
    assert isinstance(_fix(_pool(5, 2.0)).changes[0], SetPoolDatabase)
    # 97 usable less pools of 20 and 12: 65 are left.
    assert isinstance(_fix(_pool(66, 2.0)).changes[0], Manual)


@given(st.integers(1, 65), st.floats(1.0, 100.0))
def test_its_own_fix_silences_it(waiting: int, maxwait: float) -> None:
    snapshot = _pool(waiting, maxwait)
    assert findings(snapshot, SLUG)
    after = mended(snapshot, SLUG)
    assert findings(after, SLUG) == () == findings(after, "server-pools-above-slots")


def test_unknown_without_a_console() -> None:
    assert verdict(pooled(), SLUG).state == "unknown"
