from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.capacity.pools import bounds_of
from slotwise.findings import Manual, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.pgbouncer import PgBouncer, Pool, PoolDatabase
from tests.build import findings, host, mended, pgbouncer, verdict
from tests.rules.pgbouncer.pooled import pooled

SLUG = "server-pools-above-slots"
UNCAPPED = {"max_db_connections": "0", "max_user_connections": "0"}


def _many(databases: int, users: int = 1, size: int = 20, **config: str) -> PgBouncer:
    one = pgbouncer(config={**UNCAPPED, "default_pool_size": str(size), **config})
    names = [f"d{n}" for n in range(databases)]
    rows = tuple(PoolDatabase(n, "127.0.0.1", 5432, n, None, size, 0, None, 0, 0) for n in names)
    pools = tuple(
        Pool(n, f"u{u}" if u else "odoo", "transaction", 1, 0, 1, 0, 0, 0, 0, 0.0) for n in names for u in range(users)
    )
    return structs.replace(one, databases=rows, pools=pools)


def test_the_bound_is_pools_times_databases_times_users_and_caps_cut_it() -> None:
    # Four databases and `postgres`, two users, pools of 4: 40; capped per user, then per database.
    assert bounds_of(_many(4, 2, 4), (), (), ())[0].total == 40
    assert bounds_of(_many(4, 2, 4, max_user_connections="6"), (), (), ())[0].total == 12
    assert bounds_of(_many(4, 2, 4, max_db_connections="3"), (), (), ())[0].total == 15
    assert bounds_of(_many(4, 2, 0), (), (), ())[0].total > 1000


def test_entries_of_another_server_do_not_count() -> None:
    one = _many(3)
    home = PoolDatabase("postgres", "127.0.0.1", 5432, "postgres", None, 20, 0, None, 0, 0)
    away = tuple(structs.replace(d, host="10.0.0.9") if d.name == "d2" else d for d in one.databases)
    assert bounds_of(structs.replace(one, databases=(*away, home)), (), (), ())[0].databases == ("d0", "d1", "postgres")


def test_silent_where_the_pools_fit() -> None:
    assert findings(pooled(pgbouncer()), SLUG) == ()
    assert findings(pooled(_many(3), maximum=200), SLUG) == ()


def test_silent_without_a_pgbouncer_on_the_way() -> None:
    assert findings(host(), SLUG) == ()


def test_speaks_and_shows_the_product() -> None:
    said = verdict(pooled(_many(5)), SLUG)
    assert said.severity is Severity.WARNING
    assert "7 databases × 1 users make 140" in said.findings[0].message and "of 97" in said.findings[0].message


def test_speaks_softly_of_databases_that_are_not_asked_for_yet() -> None:
    one = pgbouncer(config=UNCAPPED)
    more = tuple(PoolDatabase(f"d{n}", "127.0.0.1", 5432, f"d{n}", None, 20, 0, None, 0, 0) for n in range(5))
    said = verdict(pooled(structs.replace(one, databases=(*one.databases, *more))), SLUG)
    assert said.severity is Severity.INFO and "once every database is asked for" in said.findings[0].message


@given(st.integers(1, 12), st.integers(1, 3), st.integers(1, 60), st.integers(40, 300))
def test_its_own_fix_silences_it(databases: int, users: int, size: int, maximum: int) -> None:
    snapshot = pooled(_many(databases, users, size), maximum=maximum)
    for finding in findings(snapshot, SLUG):
        assert finding.fix is not None and not any(isinstance(c, Manual) for c in finding.fix.changes)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_a_console_or_settings() -> None:
    assert verdict(pooled(), SLUG).state == "unknown"
    gap = Unavailable("pg_settings", "refused", "connect")
    assert verdict(structs.replace(pooled(_many(5)), settings=gap), SLUG).state == "unknown"
