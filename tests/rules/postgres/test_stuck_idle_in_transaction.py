from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import EndSession, RestartProcess, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Activity, Backend, Blocked, Locks
from tests.build import FIRST_CRON, FIRST_HTTP, GEVENT, backend, findings, host, mended, topology, verdict

SLUG = "stuck-idle-in-transaction"
CRON_LOCK = "SELECT * FROM ir_cron WHERE active = true AND id in (14) LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"


def _open(pid: int, idle_for: float, query: str = "UPDATE res_partner SET x = 1", **more: object) -> Backend:
    return backend(pid, state="idle in transaction", idle_for=idle_for, query=query, **more)  # type: ignore[arg-type]


def test_silent_while_requests_work() -> None:
    assert findings(host([(FIRST_HTTP, _open(1, 0.4)), (FIRST_HTTP, _open(2, 9.0))]), SLUG) == ()


def test_silent_about_a_running_scheduled_action_and_its_own_cursor() -> None:
    job = [(FIRST_CRON, _open(1, 90, CRON_LOCK)), (FIRST_CRON, _open(2, 40, "SELECT 1"))]
    assert findings(host(job), SLUG) == ()


def test_a_lock_whose_text_was_cut_off_is_still_a_scheduled_action() -> None:
    cut = (
        "SELECT * FROM ir_cron WHERE active = true AND (nextcall <= (now() at time zone 'UTC')) AND id in (" + "1," * 9
    )
    assert findings(host([(FIRST_CRON, _open(1, 900, cut))]), SLUG) == ()


def test_speaks_of_a_job_beyond_limit_time_real_cron() -> None:
    job = [(FIRST_CRON, _open(1, 400, CRON_LOCK)), (FIRST_CRON, _open(2, 400, "SELECT 1"))]
    (finding,) = findings(host(job, options={"limit_time_real_cron": 300}), SLUG)
    assert finding.subject == f"cron_worker {FIRST_CRON}" and finding.severity is Severity.WARNING
    assert findings(host(job, options={"limit_time_real_cron": 0}), SLUG) == ()


def test_speaks_softly_from_ten_seconds_and_louder_beyond_limit_time_real() -> None:
    (soft,) = findings(host([(FIRST_HTTP, _open(1, 11))]), SLUG)
    (loud,) = findings(host([(FIRST_HTTP, _open(1, 130))]), SLUG)
    assert (soft.severity, loud.severity) == (Severity.INFO, Severity.WARNING)
    assert soft.fix is not None and not [c for c in soft.fix.changes if isinstance(c, EndSession)]
    assert f"http_worker {FIRST_HTTP} holds a session idle in transaction on prod for 130 s" in loud.message
    assert "UPDATE res_partner" in loud.message


def test_speaks_of_one_finding_for_one_process_even_after_two_seconds() -> None:
    held = [(FIRST_HTTP, _open(n, 2.1, "SELECT id FROM res_users")) for n in range(1, 11)]
    held += [(FIRST_HTTP + 1, _open(n, 2.1, "SELECT id FROM res_users")) for n in (21, 22)]
    first, second = findings(host(held), SLUG)
    assert "10 sessions" in first.message and first.severity is Severity.WARNING
    assert "2 sessions" in second.message
    assert first.fix is not None and isinstance(first.fix.changes[0], RestartProcess)


def test_threads_and_websockets_may_run_the_same_statement_at_once() -> None:
    held = [(GEVENT, _open(n, 3.0, "SELECT id FROM res_users")) for n in range(1, 9)]
    assert findings(host(held), SLUG) == ()
    threaded = [(7, _open(n, 3.0, "SELECT id FROM res_users")) for n in range(1, 9)]
    assert findings(host(threaded, roles={7: "threaded"}), SLUG) == ()


def test_blocking_others_for_half_a_minute_is_critical() -> None:
    snapshot = host([(FIRST_HTTP, _open(1, 31)), (FIRST_HTTP + 1, backend(2, state="active", idle_for=30))])
    snapshot = structs.replace(snapshot, locks=Locks((Blocked(2, (1,)), Blocked(3, (2,)))))
    (finding,) = findings(snapshot, SLUG)
    assert finding.severity is Severity.CRITICAL and "it blocks 2 sessions (pids 2, 3)" in finding.message
    soon = host([(FIRST_HTTP, _open(1, 12))])
    (finding,) = findings(structs.replace(soon, locks=Locks((Blocked(2, (1,)),))), SLUG)
    assert finding.severity is Severity.WARNING and "it blocks pid 2" in finding.message
    assert finding.fix is not None and not [c for c in finding.fix.changes if isinstance(c, EndSession)]


def test_a_shell_is_left_alone_for_an_hour_and_people_for_a_minute() -> None:
    shell = {**topology(), 300: "shell"}
    assert findings(host([(300, _open(1, 3000))], roles=shell), SLUG) == ()  # type: ignore[arg-type]
    assert findings(host([(None, _open(1, 50, addr="10.0.0.9", application_name="psql", user="bob"))]), SLUG) == ()
    away = host([(None, _open(1, 700, addr="10.0.0.9", application_name="psql", user="bob"))])
    (finding,) = findings(away, SLUG)
    assert "application 'psql' of role bob on 10.0.0.9" in finding.message and finding.severity is Severity.WARNING


def test_an_unseen_owner_is_judged_by_the_most_patient_limit_only() -> None:
    remote = [
        (None, _open(1, 200, CRON_LOCK, addr="10.0.0.5")),
        (None, _open(2, 200, "SELECT 1", addr="10.0.0.5")),
    ]
    assert findings(host(remote, options={"limit_time_real_cron": 900}), SLUG) == ()


@given(st.lists(st.floats(121, 5000), min_size=1, max_size=12))
def test_its_own_fix_silences_it(ages: list[float]) -> None:
    held = [(FIRST_HTTP + n % 3, _open(n, age, f"SELECT {n}")) for n, age in enumerate(ages)]
    snapshot = host(held)  # type: ignore[arg-type]
    assert findings(snapshot, SLUG)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_where_states_are_masked_but_what_is_seen_is_said() -> None:
    masked = structs.replace(backend(5), state=None, state_change=None, masked=True)
    snapshot = host([(FIRST_HTTP, masked)])
    assert verdict(snapshot, SLUG).state == "unknown"
    assert isinstance(snapshot.activity, Activity)
    both = verdict(host([(FIRST_HTTP, masked), (FIRST_HTTP + 1, _open(1, 130))]), SLUG)
    assert both.state == "found" and both.missing
    gap = Unavailable("pg_stat_activity", "refused", "connect")
    assert verdict(structs.replace(host(), activity=gap), SLUG).state == "unknown"


def _process_names(snapshot: Snapshot) -> list[str | None]:
    return [f.subject for f in findings(snapshot, SLUG)]


def test_behind_pgbouncer_the_pooler_is_named_and_no_count_is_held_against_it() -> None:
    roles = {**topology(), 60: "pgbouncer"}
    held = [(60, _open(n, 2.0, "SELECT 1", application_name="")) for n in range(1, 9)]
    assert _process_names(host(held, roles=roles)) == []  # type: ignore[arg-type]
    held = [(60, _open(1, 130, "SELECT 1", application_name=""))]
    assert _process_names(host(held, roles=roles)) == ["pgbouncer 60"]  # type: ignore[arg-type]
