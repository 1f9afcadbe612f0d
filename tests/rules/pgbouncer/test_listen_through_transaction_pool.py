from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import SetPoolDatabase, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.pgbouncer import Pool
from tests.build import findings, mended, pgbouncer, verdict
from tests.rules.pgbouncer.pooled import direct, pooled

SLUG = "listen-through-transaction-pool"


def test_silent_where_postgres_is_in_session_mode() -> None:
    assert findings(pooled(pgbouncer()), SLUG) == ()
    assert findings(pooled(pgbouncer(pool_mode="session", postgres_mode=None)), SLUG) == ()


def test_silent_where_odoo_connects_directly() -> None:
    assert findings(direct(pgbouncer(postgres_mode=None)), SLUG) == ()
    assert findings(structs.replace(direct(), pgbouncers=Unavailable("PgBouncer", "none", "none")), SLUG) == ()


def test_silent_where_nobody_listens() -> None:
    snapshot = pooled(pgbouncer(postgres_mode=None), options={"max_cron_threads": 0, "http_enable": False})
    assert findings(snapshot, SLUG) == ()


@pytest.mark.parametrize("version", ["17.0", "18.0", "19.0"])
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_speaks_of_the_wildcard(version: str, mode: str) -> None:
    said = verdict(pooled(pgbouncer(pool_mode=mode, postgres_mode=None), version=version), SLUG)
    assert said.severity is Severity.CRITICAL
    assert f"postgres is in {mode} mode" in said.findings[0].message and "3 sessions" in said.findings[0].message


def test_speaks_of_an_entry_of_its_own_in_the_wrong_mode() -> None:
    assert findings(pooled(pgbouncer(pool_mode="session", postgres_mode="transaction")), SLUG)


def test_the_running_pool_decides_over_the_entry() -> None:
    running = Pool("postgres", "odoo", "transaction", 3, 0, 2, 0, 0, 0, 0, 0.0)
    one = pgbouncer()
    one = structs.replace(one, pools=(one.pools[0], running))
    assert findings(pooled(one), SLUG)


def test_the_wildcards_mode_decides_where_postgres_has_no_entry() -> None:
    one = structs.replace(pgbouncer(pool_mode="session", postgres_mode=None), wildcard_pool_mode="transaction")
    assert findings(pooled(one), SLUG)


def test_without_a_bus_only_cron_triggers_are_late() -> None:
    snapshot = pooled(pgbouncer(postgres_mode=None), options={"http_enable": False})
    assert verdict(snapshot, SLUG).severity is Severity.WARNING


@given(st.integers(0, 40), st.integers(0, 8))
def test_its_own_fix_silences_it(workers: int, cron: int) -> None:
    options = {"workers": workers, "max_cron_threads": cron}
    snapshot = pooled(pgbouncer(postgres_mode=None), options={**options})
    fix = findings(snapshot, SLUG)[0].fix
    assert fix is not None and isinstance(fix.changes[0], SetPoolDatabase)
    assert int(fix.changes[0].parameters["pool_size"]) > cron + 1
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_where_odoo_goes_through_a_pgbouncer_that_did_not_answer() -> None:
    said = verdict(structs.replace(pooled(), pgbouncers=Unavailable("PgBouncer", "refused", "x")), SLUG)
    assert said.state == "unknown" and "--pgbouncer" in said.missing[0].remedy
    assert verdict(pooled(), SLUG).state == "unknown"
    assert verdict(
        pooled(structs.replace(pgbouncer(postgres_mode=None), config={"listen_port": "6432"})), SLUG
    ).state == ("unknown")
    assert verdict(structs.replace(pooled(), odoo=Unavailable("Odoo", "x", "y")), SLUG).state == "unknown"
