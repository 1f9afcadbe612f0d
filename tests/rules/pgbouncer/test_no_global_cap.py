from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Manual
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.pgbouncer import PoolDatabase
from tests.build import findings, mended, pgbouncer, verdict
from tests.rules.pgbouncer.pooled import direct, pooled

SLUG = "no-global-cap"
UNCAPPED = {"max_db_connections": "0", "max_user_connections": "0"}


def test_silent_with_either_cap() -> None:
    assert findings(pooled(pgbouncer()), SLUG) == ()
    assert findings(pooled(pgbouncer(config={**UNCAPPED, "max_user_connections": "50"})), SLUG) == ()
    assert findings(pooled(pgbouncer(config={**UNCAPPED, "max_db_connections": "30"})), SLUG) == ()


def test_silent_for_a_few_named_databases() -> None:
    assert findings(pooled(structs.replace(pgbouncer(config=UNCAPPED), wildcard=False)), SLUG) == ()


def test_silent_where_odoo_connects_directly() -> None:
    assert findings(direct(pgbouncer(config=UNCAPPED)), SLUG) == ()


def test_speaks_of_an_uncapped_wildcard() -> None:
    (finding,) = findings(pooled(pgbouncer(config=UNCAPPED)), SLUG)
    assert "a wildcard entry" in finding.message and "up to 20" in finding.message


def test_speaks_of_many_uncapped_databases() -> None:
    rows = tuple(PoolDatabase(f"d{n}", None, None, f"d{n}", None, 20, 0, None, 0, 0) for n in range(5))
    one = structs.replace(pgbouncer(config=UNCAPPED), databases=rows, wildcard=False)
    assert "5 databases" in findings(pooled(one), SLUG)[0].message
    capped = tuple(structs.replace(d, max_connections=9) for d in rows)
    assert findings(pooled(structs.replace(one, databases=capped)), SLUG) == ()


def test_without_the_slots_it_names_no_number() -> None:
    gap = Unavailable("pg_settings", "refused", "connect")
    fix = findings(structs.replace(pooled(pgbouncer(config=UNCAPPED)), settings=gap), SLUG)[0].fix
    assert fix is not None and all(isinstance(c, Manual) for c in fix.changes)


@given(st.integers(10, 500))
def test_its_own_fix_silences_it(maximum: int) -> None:
    snapshot = pooled(pgbouncer(config=UNCAPPED), maximum=maximum)
    after = mended(snapshot, SLUG)
    assert findings(after, SLUG) == () == findings(after, "server-pools-above-slots")


def test_unknown_where_the_wildcard_is_not_visible() -> None:
    assert verdict(pooled(structs.replace(pgbouncer(config=UNCAPPED), wildcard=None)), SLUG).state == "unknown"
    assert verdict(pooled(), SLUG).state == "unknown"
