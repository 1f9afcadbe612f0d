from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import SetOdooOption, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from tests.build import FIRST_CRON, FIRST_HTTP, backend, findings, host, listeners, mended, topology, verdict

SLUG = "database-fanout"


def _spread(workers: int, databases: int, **more: object) -> Snapshot:
    held = [
        (FIRST_HTTP + w, backend(1000 + 100 * w + d, f"db{d}", idle_for=5))
        for w in range(workers)
        for d in range(databases)
    ]
    return host([*listeners(), *held], **more)  # type: ignore[arg-type]


def test_silent_with_two_databases_and_with_listeners_on_postgres() -> None:
    assert findings(_spread(4, 2), SLUG) == ()
    assert findings(host(), SLUG) == ()


def test_speaks_of_processes_times_databases_and_the_gain() -> None:
    (finding,) = findings(_spread(4, 4), SLUG)
    assert "4 http_worker processes hold 16 connections to 4 databases" in finding.message
    assert "12 of them would be free" in finding.message and finding.severity is Severity.INFO
    (large,) = findings(_spread(4, 8), SLUG)
    assert large.severity is Severity.WARNING


def test_queue_jobs_runner_is_on_every_database_by_design() -> None:
    held = [(200, backend(n, f"db{n}", application_name="", query="LISTEN queue_job")) for n in range(6)]
    assert findings(host(held, roles={**topology(), 200: "queue_job"}), SLUG) == ()


def test_gevent_keeps_its_own_cap_and_a_threaded_process_is_never_capped() -> None:
    (finding,) = findings(_spread(4, 4, options={"db_maxconn": 64, "db_maxconn_gevent": None}), SLUG)
    assert finding.fix is not None
    set_ = [(c.option, c.value) for c in finding.fix.changes if isinstance(c, SetOdooOption)]
    assert set_ == [("db_maxconn_gevent", "32"), ("db_maxconn", "8")]
    threaded = host([(7, backend(n, f"db{n}")) for n in range(6)], roles={7: "threaded"})
    (finding,) = findings(threaded, SLUG)
    assert finding.fix is not None and not [c for c in finding.fix.changes if isinstance(c, SetOdooOption)]


@given(st.integers(1, 4), st.integers(3, 5))
def test_its_own_fix_silences_it(workers: int, databases: int) -> None:
    snapshot = _spread(workers, databases)
    assert findings(snapshot, SLUG)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_owners() -> None:
    gap = Unavailable("sockets", "not permitted", "run as root")
    assert verdict(structs.replace(_spread(4, 4), sockets=gap), SLUG).state == "unknown"
    remote = [(None, backend(n, f"db{n}", addr="10.0.0.4")) for n in range(9)]
    assert verdict(host(remote), SLUG).state == "unknown"


def test_a_cron_worker_counts_too() -> None:
    (finding,) = findings(host([(FIRST_CRON, backend(n, f"db{n}")) for n in range(3)]), SLUG)
    assert "1 cron_worker" in finding.message
