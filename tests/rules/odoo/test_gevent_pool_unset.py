from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.snapshot.odoo import Odoo
from tests.build import findings, host, mended, verdict

SLUG = "gevent-pool-unset"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"db_maxconn_gevent": False, "db_maxconn": 64},
        {"db_maxconn_gevent": False, "db_maxconn": 8, "workers": 0},
        {"db_maxconn_gevent": False, "db_maxconn": 8, "http_enable": False},
        {"db_maxconn_gevent": 16, "db_maxconn": 8},
    ],
)
def test_silent(options: dict[str, int]) -> None:
    assert findings(host(options={**options}), SLUG) == ()


@pytest.mark.parametrize("unset", [False, None, 0])
def test_speaks_where_the_workers_pool_bounds_websockets(unset: int | None) -> None:
    (finding,) = findings(host(options={"db_maxconn": 8, "db_maxconn_gevent": unset}), SLUG)
    assert "7 cursors for all websockets" in finding.message


@given(st.integers(-1, 31))
def test_its_own_fix_silences_it(pool: int) -> None:
    snapshot = host(options={"db_maxconn": pool, "db_maxconn_gevent": False})
    assert findings(snapshot, SLUG)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_where_the_option_was_not_read() -> None:
    snapshot = host()
    assert isinstance(snapshot.odoo, Odoo)
    one = snapshot.odoo.instances[0]
    one = structs.replace(one, options=tuple(o for o in one.options if o.name != "db_maxconn_gevent"))
    assert verdict(structs.replace(snapshot, odoo=Odoo((one,))), SLUG).state == "unknown"
