from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import RestartProcess, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.postgres import Backend
from tests.build import (
    FIRST_CRON,
    FIRST_HTTP,
    GEVENT,
    MASTER,
    backend,
    findings,
    host,
    listeners,
    mended,
    topology,
    verdict,
)

SLUG = "leaking-process"
SQL = "SELECT id, login FROM res_users"
CRON_LOCK = "SELECT * FROM ir_cron WHERE id in (14) LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"


def _cursor(pid: int, idle_for: float = 2.0, query: str = SQL, name: str = f"odoo-{MASTER}") -> Backend:
    return backend(pid, state="idle in transaction", idle_for=idle_for, query=query, application_name=name)


def _raw(pid: int, state: str = "idle in transaction", name: str = "", age: float = 60.0, query: str = SQL) -> Backend:
    return backend(pid, state=state, application_name=name, query=query, age=age)


def test_silent_about_listeners_pools_and_nested_cursors() -> None:
    assert findings(host(), SLUG) == ()
    nested = [(FIRST_HTTP, _cursor(1, 2, "SELECT 1")), (FIRST_HTTP, _cursor(2, 2, "SELECT 2"))]
    wide = [(FIRST_HTTP + 1, backend(100 + n, f"db{n}", idle_for=3000)) for n in range(30)]
    assert findings(host([*listeners(), *nested, *wide]), SLUG) == ()


def test_silent_about_scheduled_actions_threads_and_websocket_bursts() -> None:
    job = [
        (FIRST_CRON, _cursor(1, 300, CRON_LOCK)),
        *((FIRST_CRON, _cursor(n, 90, f"SELECT {n}")) for n in (2, 3)),
        *((FIRST_CRON, backend(n)) for n in (4, 5, 6)),
    ]
    burst = [(GEVENT, _cursor(100 + n)) for n in range(30)]
    assert findings(host([*job, *burst]), SLUG) == ()
    threads = [(7, _cursor(n)) for n in range(12)]
    assert findings(host(threads, roles={7: "threaded"}), SLUG) == ()


def test_speaks_of_both_kinds_told_apart_and_by_worker() -> None:
    held = [(FIRST_HTTP, _cursor(n)) for n in range(10)]
    held += [(FIRST_HTTP, _raw(20 + n)) for n in range(6)]
    held += [(FIRST_HTTP + 1, _cursor(40 + n)) for n in range(2)]
    first, second = findings(host([*listeners(), *held]), SLUG)
    assert f"http_worker {FIRST_HTTP} holds 10 cursors left open" in first.message
    assert "6 raw connections outside the odoo_pool" in first.message and "database prod" in first.message
    assert SQL in first.message
    assert f"http_worker {FIRST_HTTP + 1} holds 2 cursors left open" in second.message
    assert "raw" not in second.message and second.severity is Severity.WARNING


def test_a_threaded_process_that_leaks_raw_connections_is_not_believed_to_be_only_busy() -> None:
    threads = [(7, _cursor(n)) for n in range(12)]
    raw = [(7, _raw(20 + n)) for n in range(6)]
    (finding,) = findings(host([*threads, *raw], roles={7: "threaded"}), SLUG)
    assert "12 cursors left open" in finding.message and "6 raw connections" in finding.message
    (late,) = findings(host([(7, _cursor(n, 70)) for n in range(3)], roles={7: "threaded"}), SLUG)
    assert "3 cursors left open" in late.message


def test_one_idle_raw_connection_is_only_mentioned() -> None:
    (finding,) = findings(host([(FIRST_HTTP, _raw(1, "idle"))]), SLUG)
    assert finding.severity is Severity.INFO and "1 raw connection outside" in finding.message
    assert findings(host([(FIRST_HTTP, _raw(1, "active"))]), SLUG) == ()
    assert findings(host([(FIRST_HTTP, _raw(1, "idle", age=0.2))]), SLUG) == ()


def test_speaks_of_a_worker_that_holds_more_on_one_database_than_its_cursors_nest() -> None:
    (finding,) = findings(host([(FIRST_HTTP, backend(n)) for n in range(7)]), SLUG)
    assert "7 pooled connections on prod" in finding.message
    assert findings(host([(FIRST_HTTP, backend(n)) for n in range(6)]), SLUG) == ()


def test_speaks_of_a_cursor_open_beyond_limit_time_real() -> None:
    (finding,) = findings(host([(FIRST_HTTP, _cursor(1, 130))]), SLUG)
    assert "1 cursor left open" in finding.message


def test_a_pool_with_a_name_of_its_own_is_not_raw() -> None:
    named = [(FIRST_HTTP, _raw(n, "idle", "erp", query="COMMIT")) for n in range(2)]
    listen = [(FIRST_CRON, backend(9000, "postgres", application_name="erp"))]
    assert findings(host([*listen, *named]), SLUG) == ()
    assert findings(host(named, options={"db_app_name": "erp"}, version="19.0"), SLUG) == ()
    assert findings(host(named), SLUG) == ()  # the pool's name is not known: nothing is said
    other = [(FIRST_HTTP, _raw(20 + n, "idle", "my-addon")) for n in range(2)]
    (finding,) = findings(host([*listen, *named, *other]), SLUG)
    assert "2 raw connections" in finding.message


def test_queue_job_in_a_threaded_process_is_no_leak() -> None:
    runner = _raw(1, "idle", query="CLOSE select_jobs")
    assert findings(host([(7, runner)], roles={7: "threaded"}), SLUG) == ()
    assert findings(host([(8, _raw(1, "idle"))], roles={**topology(), 8: "queue_job"}), SLUG) == ()


def test_nothing_is_said_behind_a_pooler() -> None:
    held = [(60, _raw(n)) for n in range(8)]
    assert findings(host(held, roles={**topology(), 60: "pgbouncer"}), SLUG) == ()


def test_leaks_that_fill_half_of_the_slots_are_critical() -> None:
    held = [(FIRST_HTTP, _cursor(n)) for n in range(10)]
    (finding,) = findings(host(held, settings_={"max_connections": "23"}), SLUG)
    assert finding.severity is Severity.CRITICAL


@given(st.lists(st.integers(2, 9), min_size=1, max_size=4), st.integers(0, 5))
def test_its_own_fix_silences_it(cursors: list[int], raw: int) -> None:
    held = [(FIRST_HTTP + w, _cursor(100 * w + n)) for w, count in enumerate(cursors) for n in range(count)]
    held += [(FIRST_HTTP, _raw(5000 + n)) for n in range(raw)]
    snapshot = host(held)  # type: ignore[arg-type]
    found = findings(snapshot, SLUG)
    assert found and all(f.fix and isinstance(f.fix.changes[0], RestartProcess) for f in found)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_sockets_and_where_odoo_is_elsewhere() -> None:
    gap = Unavailable("sockets", "not permitted", "run as root")
    assert verdict(structs.replace(host(), sockets=gap), SLUG).state == "unknown"
    remote = [(None, backend(1, addr="10.0.0.7", application_name="odoo-77"))]
    assert verdict(host(remote), SLUG).state == "unknown"


def test_masked_rows_are_not_raw() -> None:
    masked = structs.replace(_raw(1), masked=True, state=None)
    assert findings(host([(FIRST_HTTP, masked)]), SLUG) == ()
