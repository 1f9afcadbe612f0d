from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import EndSession, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.postgres import Backend
from tests.build import FIRST_CRON, FIRST_HTTP, backend, findings, host, mended, topology, verdict

SLUG = "long-active-queries"
LOCK = "SELECT * FROM ir_cron WHERE id in (1) LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"


def _active(pid: int, seconds: float, **more: object) -> Backend:
    return backend(
        pid, **{"state": "active", "idle_for": seconds, "query": "SELECT slow()", "wait": ("IO", "x"), **more}
    )  # type: ignore[arg-type]


def test_silent_while_statements_are_short_and_about_idle_sessions() -> None:
    assert findings(host([(FIRST_HTTP, _active(1, 59)), (FIRST_HTTP + 1, backend(2, idle_for=9000))]), SLUG) == ()


def test_speaks_from_a_minute_and_louder_beyond_limit_time_real() -> None:
    (soft,) = findings(host([(FIRST_HTTP, _active(1, 61))]), SLUG)
    (loud,) = findings(host([(FIRST_HTTP, _active(1, 121))]), SLUG)
    assert (soft.severity, loud.severity) == (Severity.INFO, Severity.WARNING)
    assert soft.fix is not None and not [c for c in soft.fix.changes if isinstance(c, EndSession)]
    assert f"http_worker {FIRST_HTTP}" in loud.message and "SELECT slow()" in loud.message


def test_a_scheduled_action_has_its_own_limit_or_none() -> None:
    job = [(FIRST_CRON, _active(1, 700))]
    assert findings(host(job, options={"limit_time_real_cron": 900}), SLUG) == ()
    assert findings(host(job, options={"limit_time_real_cron": 0}), SLUG) == ()
    (finding,) = findings(host(job, options={"limit_time_real_cron": 600}), SLUG)
    assert finding.severity is Severity.WARNING
    threaded = [(7, _active(1, 300)), (7, backend(2, state="idle in transaction", query=LOCK, idle_for=300))]
    assert findings(host(threaded, roles={7: "threaded"}, options={"limit_time_real_cron": 900}), SLUG) == ()


def test_dumps_updates_and_people_get_more_time() -> None:
    roles = {**topology(), 300: "cli", 301: "unknown"}
    held = [
        (300, _active(1, 3000)),
        (301, _active(2, 3000, application_name="pg_dump", user="backup")),
        (301, _active(3, 500, application_name="psql", user="bob")),
    ]
    assert findings(host(held, roles=roles), SLUG) == ()
    (finding,) = findings(host([(301, _active(3, 700, application_name="psql", user="bob"))], roles=roles), SLUG)
    assert finding.severity is Severity.INFO


def test_lock_waits_and_orphans_belong_to_other_rules() -> None:
    waits = _active(1, 900, wait=("Lock", "tuple"))
    assert findings(host([(FIRST_HTTP, waits), (None, _active(2, 900))]), SLUG) == ()


@given(st.lists(st.floats(121, 9000), min_size=1, max_size=6))
def test_its_own_fix_silences_it(ages: list[float]) -> None:
    snapshot = host([(FIRST_HTTP, _active(n, age)) for n, age in enumerate(ages)])
    assert len(findings(snapshot, SLUG)) == len(ages)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_where_states_are_masked() -> None:
    masked = structs.replace(backend(5), state=None, masked=True)
    assert verdict(host([(FIRST_HTTP, masked)]), SLUG).state == "unknown"
    gap = Unavailable("pg_stat_activity", "refused", "connect")
    assert verdict(structs.replace(host(), activity=gap), SLUG).state == "unknown"
