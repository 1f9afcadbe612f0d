from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Manual, SetOdooOption, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.odoo import Odoo, OdooOption
from tests.build import findings, host, mended, verdict

SLUG = "default-odoo-pool-in-prefork"


def test_silent_with_a_pool_of_its_own_size() -> None:
    assert findings(host(), SLUG) == ()


def test_silent_for_a_threaded_server() -> None:
    assert findings(host(options={"workers": 0, "db_maxconn": 64}), SLUG) == ()


def test_speaks_of_the_default_and_shows_the_ceiling() -> None:
    snapshot = host(options={"db_maxconn": 64, "db_maxconn_gevent": False})
    (finding,) = findings(snapshot, SLUG)
    assert "(4 + 2) × 64 + 64 for gevent = 448" in finding.message
    assert verdict(snapshot, SLUG).severity is Severity.INFO


def test_speaks_of_an_explicit_pool_that_is_larger_still() -> None:
    assert "800" in findings(host(options={"db_maxconn": 800}), SLUG)[0].message


def test_no_gevent_without_http() -> None:
    (finding,) = findings(host(options={"db_maxconn": 64, "http_enable": False}), SLUG)
    assert finding.fix is not None
    assert all(isinstance(c, SetOdooOption) and c.option == "db_maxconn" for c in finding.fix.changes)


def test_an_option_of_the_command_line_is_changed_there_too() -> None:
    snapshot = host(options={"db_maxconn": 64})
    assert isinstance(snapshot.odoo, Odoo)
    one = snapshot.odoo.instances[0]
    given_there = tuple(
        OdooOption(o.name, o.value, "command line of pid 100") if o.name == "db_maxconn" else o for o in one.options
    )
    snapshot = structs.replace(snapshot, odoo=Odoo((structs.replace(one, options=given_there),)))
    fix = findings(snapshot, SLUG)[0].fix
    assert fix is not None and any(isinstance(c, Manual) and "command line" in c.text for c in fix.changes)


@given(st.integers(64, 2000), st.integers(1, 60), st.integers(0, 8), st.integers(1, 30))
def test_its_own_fix_silences_it(pool: int, workers: int, cron: int, databases: int) -> None:
    names = ",".join(f"d{n}" for n in range(databases))
    snapshot = host(
        options={"db_maxconn": pool, "workers": workers, "max_cron_threads": cron, "db_name": names},
    )
    assert findings(snapshot, SLUG)
    after = mended(snapshot, SLUG)
    assert (
        findings(after, SLUG) == () == findings(after, "odoo-pool-below-floor") == findings(after, "gevent-pool-unset")
    )


def test_unknown_without_configuration() -> None:
    gap = Unavailable("Odoo", "not found", "name it")
    assert verdict(structs.replace(host(), odoo=gap), SLUG).state == "unknown"
    assert verdict(structs.replace(host(), odoo=Odoo(())), SLUG).state == "unknown"
