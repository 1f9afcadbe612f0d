from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import EndSession, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Activity
from tests.build import FIRST_CRON, FIRST_HTTP, backend, findings, host, mended, topology, verdict

SLUG = "slots-saturated"


def _full(count: int, maximum: int) -> Snapshot:
    held = [(FIRST_HTTP + n % 4, backend(1000 + n, idle_for=10 + n)) for n in range(count)]
    return host(held, settings_={"max_connections": str(maximum)})


def test_silent_with_free_slots() -> None:
    assert findings(host(), SLUG) == ()


def test_speaks_at_95_percent_of_usable_slots_not_of_max_connections() -> None:
    (finding,) = findings(_full(19, 23), SLUG)
    assert "19 of 20 usable slots" in finding.message
    assert finding.severity is None and verdict(_full(19, 23), SLUG).severity is Severity.CRITICAL
    assert findings(_full(18, 23), SLUG) == ()


def test_speaks_on_a_small_server_when_slotwises_own_session_has_the_last_slot() -> None:
    own = (None, backend(1, application_name="slotwise", user="postgres"))
    held = [own, *((FIRST_HTTP, backend(1000 + n)) for n in range(11))]
    (finding,) = findings(host(held, settings_={"max_connections": "15"}), SLUG)
    assert "12 of 12 usable slots are taken, 0 free" in finding.message
    assert findings(host(held[:-1], settings_={"max_connections": "15"}), SLUG) == ()


@given(st.integers(20, 60))
def test_its_own_fix_silences_it(count: int) -> None:
    snapshot = _full(count, 23)
    assert findings(snapshot, SLUG)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_what_it_ends_is_never_a_listener_a_raw_connection_or_one_just_lent_out() -> None:
    held = [
        (FIRST_HTTP, backend(1, query="DISCARD ALL", idle_for=50)),
        (FIRST_HTTP, backend(2, query="SELECT 1", application_name="", idle_for=60)),
        (200, backend(3, query="LISTEN queue_job", application_name="", idle_for=70)),
        (FIRST_CRON, backend(4, "postgres", idle_for=80)),
        (FIRST_HTTP, backend(5, query="ROLLBACK", idle_for=1)),
        (61, backend(6, application_name="psql", idle_for=90)),
    ]
    snapshot = host(held, roles={**topology(), 200: "queue_job", 61: "unknown"}, settings_={"max_connections": "9"})
    (finding,) = findings(snapshot, SLUG)
    assert finding.fix is not None
    assert [c.pid for c in finding.fix.changes if isinstance(c, EndSession)] == [5]


def test_unknown_where_masked_rows_decide() -> None:
    masked = structs.replace(backend(5000), backend_type=None, masked=True, state=None, client_port=None)
    rows = (*(backend(1000 + n) for n in range(18)), masked)
    snapshot = structs.replace(_full(18, 23), activity=Activity(rows, None))
    assert verdict(snapshot, SLUG).state == "unknown"


def test_unknown_without_sessions() -> None:
    gap = Unavailable("pg_stat_activity", "refused", "connect through the socket")
    said = verdict(structs.replace(host(), activity=gap), SLUG)
    assert said.state == "unknown" and gap in said.missing
