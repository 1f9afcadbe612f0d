from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Manual, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import OptionValue
from tests.build import findings, host, mended, pgbouncer, verdict
from tests.rules.pgbouncer.pooled import pooled

SLUG = "ceiling-above-supply"


def _with(maximum: int, **options: OptionValue) -> Snapshot:
    return host(options=options, settings_={"max_connections": str(maximum)})


def test_silent_where_the_pools_fit() -> None:
    assert findings(_with(131), SLUG) == ()  # (4 + 2) × 16 + 32 = 128


def test_speaks_softly_of_a_default_installation() -> None:
    said = verdict(_with(100, db_maxconn=64, db_maxconn_gevent=False), SLUG)
    assert said.severity is Severity.INFO
    assert "4 HTTP workers × 64 + 2 cron workers × 64 + 1 gevent × 64 = 448" in said.findings[0].message


def test_odoos_pools_are_not_compared_with_max_connections_behind_a_pgbouncer() -> None:
    assert findings(pooled(pgbouncer(), maximum=34), SLUG) == ()
    assert findings(pooled(pgbouncer(), maximum=34), "server-pools-above-slots")


def test_it_proposes_no_fewer_workers_and_no_pool_that_starves() -> None:
    after = mended(_with(40, db_maxconn=64), SLUG)
    assert findings(after, "odoo-pool-below-floor") == ()
    (finding,) = findings(after, SLUG)
    assert finding.fix is not None and isinstance(finding.fix.changes[0], Manual)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), st.integers(0, 2), st.sampled_from([16, 64, 200]), st.integers(120, 400))
def test_its_own_fix_silences_it(workers: int, cron: int, pool: int, maximum: int) -> None:
    snapshot = _with(maximum, workers=workers, max_cron_threads=cron, db_maxconn=pool, db_maxconn_gevent=None)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_settings() -> None:
    gap = Unavailable("x", "refused", "connect")
    assert verdict(structs.replace(host(), settings=gap), SLUG).state == "unknown"
    assert verdict(structs.replace(_with(200), activity=gap), SLUG).state == "unknown"
