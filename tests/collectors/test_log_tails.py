from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.log_tails import TAIL_BYTES, collect_refusals
from slotwise.collectors.odoo_log_refusals import refusals_in_log
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.refusals import Refusals

ODOO = """\
half a line of a traceback: FATAL:  sorry, too many clients already
2026-11-23 17:37:53,544 30119 INFO ? werkzeug: 127.0.0.1 - "GET /web HTTP/1.1" 404 - 0 0.000 0.020
2026-11-23 17:37:53,574 30121 WARNING shop odoo.http: Database or registry unusable, trying without
Traceback (most recent call last):
psycopg2.OperationalError: connection to server at "h" failed: FATAL:  too many connections for role "odoo"

2026-11-23 17:37:54,000 30121 INFO shop odoo.sql_db: Connection to the database failed
2026-11-23 17:37:55,250 30117 ERROR prod odoo.http: Exception during request handling.
Traceback (most recent call last):
psycopg2.pool.PoolError: The Connection Pool Is Full
"""


def test_odoos_log_is_read_record_by_record() -> None:
    found = {r.wall: r for r in refusals_in_log(ODOO, "odoo.log")}
    assert set(found) == {"pg_role_limit", "odoo_pool"}
    limit = found["pg_role_limit"]
    assert (limit.user, limit.count, limit.source) == ("odoo", 1, "odoo.log")
    assert limit.last_at == 1795455473.574
    assert (found["odoo_pool"].database, found["odoo_pool"].text) == (
        "prod",
        "psycopg2.pool.PoolError: The Connection Pool Is Full",
    )


def test_other_logs_are_read_line_by_line() -> None:
    line = "2026-11-23 17:00:00 UTC [7] odoo@prod FATAL:  sorry, too many clients already\n"
    (found,) = refusals_in_log(line * 3 + "LOG:  checkpoint starting: time\n", "postgresql.log")
    assert (found.wall, found.count, found.last_at) == ("pg_max_connections", 3, None)


def test_only_the_end_of_a_big_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "odoo.log"
    noise = "2026-11-23 17:37:53,544 1 INFO ? werkzeug: x\n"
    log.write_text(ODOO + noise * (TAIL_BYTES // len(noise) + 1))
    seen = collect_refusals([], [("odoo.log", log)])
    assert isinstance(seen, Refusals) and seen.refusals == () and seen.looked_in == ("odoo.log",)


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    gone = tmp_path / "gone.log"
    with pytest.raises(OperatorError, match=r"gone\.log"):
        collect_refusals([str(gone)], [])
    assert isinstance(collect_refusals([], [("gone.log", gone)]), Unavailable)
    assert isinstance(collect_refusals([], []), Unavailable)


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    refusals_in_log(text, "x")
    refusals_in_log(ODOO + text, "x")
