from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import EndSession, Severity
from slotwise.snapshot.evidence import Unavailable
from tests.build import FIRST_CRON, FIRST_HTTP, backend, findings, host, listeners, mended, topology, verdict

SLUG = "idle-hoard"


def _old(count: int, owner: int = FIRST_HTTP, first: int = 1000, **more: object) -> list[tuple[int, object]]:
    return [(owner, backend(first + n, idle_for=900 + n, **more)) for n in range(count)]  # type: ignore[arg-type]


def test_silent_with_a_warm_pool_and_a_quiet_worker() -> None:
    busy = [(FIRST_HTTP, backend(n, idle_for=599)) for n in range(12)]
    assert findings(host(busy), SLUG) == ()
    assert findings(host(_old(3)), SLUG) == ()  # type: ignore[arg-type]


def test_speaks_of_processes_that_keep_four_or_more_for_ten_minutes() -> None:
    held = [*_old(6), *_old(4, FIRST_HTTP + 1, 2000)]
    (finding,) = findings(host(held), SLUG)  # type: ignore[arg-type]
    assert "10 connections" in finding.message and "http_worker 110 (6), http_worker 111 (4)" in finding.message
    assert finding.severity is Severity.INFO
    (large,) = findings(host(held, settings_={"max_connections": "43"}), SLUG)  # type: ignore[arg-type]
    assert large.severity is Severity.WARNING


def test_listeners_poolers_strangers_and_borrowed_connections_are_not_counted() -> None:
    listen = [(FIRST_CRON, backend(n, "postgres", idle_for=9000)) for n in range(5)]
    assert findings(host(listen), SLUG) == ()
    roles = {**topology(), 60: "pgbouncer", 61: "unknown"}
    assert findings(host([*_old(5, 60), *_old(5, 61, 2000)], roles=roles), SLUG) == ()  # type: ignore[arg-type]
    assert findings(host(_old(9, query="DISCARD ALL")), SLUG) == ()  # type: ignore[arg-type]


@given(st.integers(4, 20))
def test_its_own_fix_silences_it_and_ends_nothing_else(count: int) -> None:
    snapshot = host([*listeners(), *_old(count), (FIRST_HTTP, backend(1, idle_for=5))])  # type: ignore[list-item]
    (finding,) = findings(snapshot, SLUG)
    assert finding.fix is not None
    assert sum(isinstance(c, EndSession) for c in finding.fix.changes) == count
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_where_states_are_masked() -> None:
    masked = structs.replace(backend(5), state=None, state_change=None, masked=True)
    assert verdict(host([(FIRST_HTTP, masked)]), SLUG).state == "unknown"
    gap = Unavailable("pg_stat_activity", "refused", "connect")
    assert verdict(structs.replace(host(), activity=gap), SLUG).state == "unknown"
