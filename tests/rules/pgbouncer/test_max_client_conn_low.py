from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Manual, Severity
from tests.build import findings, mended, pgbouncer, verdict
from tests.rules.pgbouncer.pooled import direct, pooled

SLUG = "max-client-conn-low"


def test_silent_above_the_ceiling() -> None:
    assert findings(pooled(pgbouncer(config={"max_client_conn": "128"})), SLUG) == ()


def test_silent_where_odoo_connects_directly() -> None:
    assert findings(direct(pgbouncer(config={"max_client_conn": "1"})), SLUG) == ()


@pytest.mark.parametrize(("limit", "severity"), [("20", Severity.WARNING), ("127", Severity.INFO)])
def test_speaks_below_peak_and_below_ceiling(limit: str, severity: Severity) -> None:
    assert verdict(pooled(pgbouncer(config={"max_client_conn": limit})), SLUG).severity is severity


def test_speaks_of_the_default_of_a_hundred_where_the_console_shows_none() -> None:
    one = pgbouncer()
    one = structs.replace(one, config={k: v for k, v in one.config.items() if k != "max_client_conn"})
    assert "max_client_conn 100" in findings(pooled(one), SLUG)[0].message


def test_speaks_critically_where_it_refuses_now() -> None:
    one = structs.replace(pgbouncer(), lists={"used_clients": 1000})
    said = verdict(pooled(one), SLUG)
    assert said.severity is Severity.CRITICAL and "all 1000 clients" in said.findings[0].message


def test_speaks_of_file_descriptors() -> None:
    one = structs.replace(pgbouncer(), process_limit_nofile=1024)
    (finding,) = findings(pooled(one), SLUG)
    assert "may open 1024 files" in finding.message
    assert finding.fix is not None and isinstance(finding.fix.changes[0], Manual)
    assert findings(pooled(structs.replace(one, process_limit_nofile=4096)), SLUG) == ()


@given(st.integers(1, 400), st.integers(0, 40), st.integers(4, 64))
def test_its_own_fix_silences_it(limit: int, workers: int, pool: int) -> None:
    snapshot = pooled(
        pgbouncer(config={"max_client_conn": str(limit)}), options={"workers": workers, "db_maxconn": pool}
    )
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_a_console() -> None:
    assert verdict(pooled(), SLUG).state == "unknown"
