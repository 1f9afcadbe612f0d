from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.odoo import Odoo
from tests.build import findings, host, mended, verdict

SLUG = "odoo-pool-below-floor"


@pytest.mark.parametrize(
    "options",
    [
        {"db_maxconn": 6},
        {"db_maxconn": 4, "max_cron_threads": 0},
        {"db_maxconn": 20, "workers": 0},
        {"db_maxconn": 8, "workers": 0, "max_cron_threads": 0},
        {"db_maxconn_gevent": 8},
        {"db_maxconn_gevent": 2, "http_enable": False},
    ],
)
def test_silent_at_the_floor(options: dict[str, int]) -> None:
    assert findings(host(options={**options}), SLUG) == ()


@pytest.mark.parametrize(
    ("options", "floor"),
    [
        ({"db_maxconn": 5}, 6),
        ({"db_maxconn": 3, "max_cron_threads": 0}, 4),
        ({"db_maxconn": 19, "workers": 0}, 20),
        ({"db_maxconn": 7, "workers": 0, "max_cron_threads": 0}, 8),
    ],
)
def test_speaks_below_the_floor_of_its_mode(options: dict[str, int], floor: int) -> None:
    (finding,) = findings(host(options={**options}), SLUG)
    assert f"below the {floor} connections" in finding.message
    assert finding.severity is None


def test_speaks_critically_where_no_scheduled_action_can_run() -> None:
    assert verdict(host(options={"db_maxconn": 3}), SLUG).severity is Severity.CRITICAL
    assert verdict(host(options={"db_maxconn": 4}), SLUG).severity is Severity.WARNING
    assert verdict(host(options={"db_maxconn": 3, "max_cron_threads": 0}), SLUG).severity is Severity.WARNING
    assert verdict(host(options={"db_maxconn": 0}), SLUG).severity is Severity.CRITICAL


def test_speaks_of_a_gevent_pool_that_is_too_small() -> None:
    (finding,) = findings(host(options={"db_maxconn_gevent": 4}), SLUG)
    assert "3 connections beside" in finding.message


@given(st.integers(-5, 40), st.integers(0, 20), st.integers(0, 6), st.sampled_from([False, None, 1, 4, 7, 32]))
def test_its_own_fix_silences_it(pool: int, workers: int, cron: int, gevent: int | None) -> None:
    snapshot = host(
        options={"db_maxconn": pool, "workers": workers, "max_cron_threads": cron, "db_maxconn_gevent": gevent}
    )
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_db_maxconn() -> None:
    snapshot = host()
    assert isinstance(snapshot.odoo, Odoo)
    one = snapshot.odoo.instances[0]
    one = structs.replace(one, options=tuple(o for o in one.options if o.name != "db_maxconn"))
    said = verdict(structs.replace(snapshot, odoo=Odoo((one,))), SLUG)
    assert said.state == "unknown" and "db_maxconn" in said.missing[0].source
    assert verdict(structs.replace(snapshot, odoo=Unavailable("Odoo", "x", "y")), SLUG).state == "unknown"
