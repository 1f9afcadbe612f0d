from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Fix, Manual, SetOdooOption, SetPgBouncer, SetServerSetting, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo, OptionValue
from slotwise.snapshot.postgres import Database, Databases
from slotwise.snapshot.processes import Host
from tests.build import GIB, findings, host, listeners, mended, pgbouncer, verdict
from tests.rules.pgbouncer.pooled import pooled

SLUG = "demand-above-supply"


def _with(maximum: int, **options: OptionValue) -> Snapshot:
    return host(listeners(websocket=False), options=options, settings_={"max_connections": str(maximum)})


def _fix(snapshot: Snapshot) -> Fix:
    fix = findings(snapshot, SLUG)[0].fix
    assert fix is not None
    return fix


def test_silent_where_ordinary_work_fits() -> None:
    assert findings(host(), SLUG) == ()
    assert findings(_with(25), SLUG) == ()  # typical 22 of 22 usable


def test_speaks_and_shows_the_arithmetic_with_the_guide_beside_it() -> None:
    said = verdict(_with(24), SLUG)
    assert said.severity is Severity.CRITICAL
    message = said.findings[0].message
    assert "4 HTTP workers × 2 + 2 cron workers × 4 + 1 gevent × 6 = 22" in message
    assert "21 usable slots (max_connections 24 less 3 reserved)" in message and "formula says 36" in message


def test_a_host_that_just_started_is_judged_like_a_busy_one() -> None:
    busy = host(settings_={"max_connections": "24"})
    assert [f.message for f in findings(busy, SLUG)] == [f.message for f in findings(_with(24), SLUG)]


def test_speaks_of_many_pinned_databases() -> None:
    names = ",".join(f"d{n}" for n in range(20))
    (finding,) = findings(_with(100, workers=8, db_name=names, db_maxconn=64), SLUG)
    assert "8 HTTP workers × 40" in finding.message


def test_odoo_conf_comes_first_and_leaves_the_headroom() -> None:
    fix = _fix(_with(60, workers=24))
    assert all(isinstance(c, SetOdooOption) for c in fix.changes)
    after = mended(_with(60, workers=24), SLUG)
    assert findings(after, "headroom-below-reserve") == () == findings(after, "odoo-pool-below-floor")
    (planned,) = after.odoo.instances if isinstance(after.odoo, Odoo) else ()
    assert planned.integer("workers") >= 12, "never more than half of the workers for the sake of headroom"


def test_max_connections_comes_last_and_only_with_its_memory() -> None:
    fix = _fix(_with(15))
    assert isinstance(fix.changes[0], Manual) and "PgBouncer" in fix.changes[0].text
    assert isinstance(fix.changes[-1], SetServerSetting)
    assert "MiB" in fix.summary and fix.summary.index("PgBouncer") < fix.summary.index("max_connections")
    gap = Unavailable("host", "remote", "run there")
    for machine in (gap, Host("h", GIB, 10**6, None, 2.0), Host("h", GIB, None, None, 2.0)):
        fix = _fix(structs.replace(_with(15), machine=machine))
        assert not any(isinstance(c, SetServerSetting) for c in fix.changes)


def test_behind_a_pgbouncer_odoos_ceiling_is_not_compared_with_max_connections() -> None:
    assert findings(pooled(pgbouncer(), maximum=60), SLUG) == ()
    # Pools of 20 and 12 hold what 4 workers, 2 cron workers and gevent have at once: 22.
    snapshot = pooled(pgbouncer(), maximum=24)
    assert "22 through PgBouncer 127.0.0.1:6432" in findings(snapshot, SLUG)[0].message
    assert isinstance(_fix(snapshot).changes[0], SetPgBouncer)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_a_cold_host_of_unpinned_databases_is_unknown_where_all_of_them_would_not_fit() -> None:
    rows = tuple(Database(f"d{n}", -1, True, False, "odoo") for n in range(14))
    cold = structs.replace(_with(100, db_name=False, db_maxconn=64), databases=Databases(rows))
    said = verdict(cold, SLUG)
    assert said.state == "unknown" and "db_name" in said.missing[0].remedy
    assert findings(structs.replace(cold, databases=Databases(rows[:2])), SLUG) == ()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(0, 6), st.integers(1, 12), st.sampled_from([8, 16, 64]), st.integers(10, 120))
def test_its_own_fix_silences_it(workers: int, cron: int, databases: int, pool: int, maximum: int) -> None:
    names = ",".join(f"d{n}" for n in range(databases))
    snapshot = _with(maximum, workers=workers, max_cron_threads=cron, db_name=names, db_maxconn=pool)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_settings_options_or_sessions() -> None:
    gap = Unavailable("x", "refused", "connect")
    assert verdict(structs.replace(host(), settings=gap), SLUG).state == "unknown"
    assert verdict(structs.replace(host(), odoo=gap), SLUG).state == "unknown"
    assert verdict(host(version=None), SLUG).state == "unknown"
    assert verdict(structs.replace(host(), activity=gap), SLUG).state == "unknown"
    full = structs.replace(_with(24), activity=gap)
    assert verdict(full, SLUG).state == "found", "a lower bound above the slots is enough"
