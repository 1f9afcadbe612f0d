from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import OptionValue
from tests.build import FIRST_HTTP, backend, findings, host, listeners, mended, verdict

SLUG = "headroom-below-reserve"


def _with(maximum: int, **options: OptionValue) -> Snapshot:
    return host(options=options, settings_={"max_connections": str(maximum)})


def test_silent_with_thirty_percent_of_usable_slots_left() -> None:
    assert findings(_with(35), SLUG) == ()  # 22 of 32: 31 % are left


def test_silent_where_demand_is_above_the_slots() -> None:
    assert findings(_with(20), SLUG) == ()


def test_speaks_of_usable_slots_and_not_of_max_connections() -> None:
    said = verdict(_with(34), SLUG)  # 22 of 31: 29 % are left; of 34 it would be 35 %
    assert said.severity is Severity.WARNING
    assert "22 of 31 usable slots" in said.findings[0].message and "29% stay free" in said.findings[0].message


def test_sessions_of_others_count() -> None:
    others = [(None, backend(7000 + n, addr="10.0.0.9", user="bi", application_name="etl")) for n in range(6)]
    held = [*listeners(), (FIRST_HTTP, backend(1000)), *others]
    (finding,) = findings(host(held, settings_={"max_connections": "40"}), SLUG)
    assert "6 other sessions × 1" in finding.message


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(0, 6), st.sampled_from([6, 8, 16, 64]), st.integers(10, 200))
def test_its_own_fix_silences_it(workers: int, cron: int, pool: int, maximum: int) -> None:
    snapshot = _with(maximum, workers=workers, max_cron_threads=cron, db_maxconn=pool)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_settings() -> None:
    gap = Unavailable("x", "refused", "connect")
    assert verdict(structs.replace(host(), settings=gap), SLUG).state == "unknown"
    assert verdict(structs.replace(host(), activity=gap), SLUG).state == "unknown"
