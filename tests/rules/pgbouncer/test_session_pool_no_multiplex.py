from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Manual, Severity
from slotwise.snapshot.pgbouncer import PgBouncer, PoolDatabase
from tests.build import findings, mended, pgbouncer, verdict
from tests.rules.pgbouncer.pooled import direct, pooled

SLUG = "session-pool-no-multiplex"


def test_silent_in_transaction_mode() -> None:
    assert findings(pooled(pgbouncer()), SLUG) == ()


def test_silent_where_odoo_connects_directly() -> None:
    assert findings(direct(pgbouncer(pool_mode="session")), SLUG) == ()


def test_speaks_of_session_mode_and_shows_clients_beside_servers() -> None:
    (finding,) = findings(pooled(pgbouncer(pool_mode="session")), SLUG)
    assert "session mode for prod" in finding.message and "22 client connections, 128 at most" in finding.message


def test_speaks_of_one_database_in_session_mode() -> None:
    one = pgbouncer()
    entry = structs.replace(one.databases[0], pool_mode="session")
    pool = structs.replace(one.pools[0], pool_mode="session")
    one = structs.replace(one, databases=(entry, one.databases[1]), pools=(pool, one.pools[1]))
    assert findings(pooled(one), SLUG)


def test_speaks_softly_where_the_pool_holds_every_client() -> None:
    one = pgbouncer(pool_mode="session")
    roomy = tuple(structs.replace(d, pool_size=200) for d in one.databases)
    assert verdict(pooled(structs.replace(one, databases=roomy)), SLUG).severity is Severity.INFO


def test_a_users_own_mode_is_changed_by_hand() -> None:
    one = pgbouncer()
    one = structs.replace(one, pools=(structs.replace(one.pools[0], pool_mode="session"), one.pools[1]))
    fix = findings(pooled(one), SLUG)[0].fix
    assert fix is not None and any(isinstance(c, Manual) and "[users]" in c.text for c in fix.changes)


def _level(level: str, postgres_mode: str | None) -> PgBouncer:
    one = pgbouncer(pool_mode="session" if level == "server" else "transaction", postgres_mode=postgres_mode)
    pools = tuple(structs.replace(p, pool_mode="session") for p in one.pools)
    one = structs.replace(one, pools=pools)
    if level == "wildcard":
        rows = tuple(structs.replace(d, pool_mode="session") for d in one.databases)
        return structs.replace(one, wildcard_pool_mode="session", databases=rows)
    if level == "entry":
        entry = PoolDatabase("prod", "127.0.0.1", 5432, "prod", None, 20, 0, "session", 0, 5)
        return structs.replace(one, databases=(entry, *one.databases[1:]))
    return one


@given(st.sampled_from(["server", "wildcard", "entry"]), st.sampled_from([None, "session"]))
def test_its_own_fix_silences_it(level: str, postgres_mode: str | None) -> None:
    snapshot = pooled(_level(level, postgres_mode))
    assert findings(snapshot, SLUG)
    after = mended(snapshot, SLUG)
    assert findings(after, SLUG) == () == findings(after, "listen-through-transaction-pool")


def test_unknown_without_a_console() -> None:
    assert verdict(pooled(), SLUG).state == "unknown"
