from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import SetOdooOption, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import OptionValue
from tests.build import findings, host, mended, verdict

SLUG = "peak-above-supply"


def _with(maximum: int, **options: OptionValue) -> Snapshot:
    return host(options=options, settings_={"max_connections": str(maximum)})


def test_silent_where_the_peak_fits() -> None:
    # 4 × (3 + 1) + 2 × (1 + 4 + 1) + 32 for gevent = 60.
    assert findings(_with(63), SLUG) == ()


def test_silent_where_ordinary_work_does_not_even_fit() -> None:
    assert findings(_with(20), SLUG) == ()


def test_speaks_and_shows_the_arithmetic() -> None:
    said = verdict(_with(62), SLUG)
    assert said.severity is Severity.WARNING
    assert "4 HTTP workers × 4 + 2 cron workers × 6 + 1 gevent × 32 = 60" in said.findings[0].message
    assert "the guide's formula says 36" in said.findings[0].message


def test_gevents_pool_is_lowered_before_workers() -> None:
    fix = findings(_with(62), SLUG)[0].fix
    assert fix is not None
    assert all(isinstance(c, SetOdooOption) and c.option != "workers" for c in fix.changes)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(0, 6), st.sampled_from([6, 8, 16, 64]), st.integers(10, 200))
def test_its_own_fix_silences_it(workers: int, cron: int, pool: int, maximum: int) -> None:
    snapshot = _with(maximum, workers=workers, max_cron_threads=cron, db_maxconn=pool, db_maxconn_gevent=False)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_settings() -> None:
    gap = Unavailable("x", "refused", "connect")
    assert verdict(structs.replace(host(), settings=gap), SLUG).state == "unknown"
    assert verdict(structs.replace(host(), activity=gap), SLUG).state == "unknown"
