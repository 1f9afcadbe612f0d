from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Severity
from slotwise.snapshot.evidence import Unavailable
from tests.build import FIRST_HTTP, backend, findings, host, mended, verdict

SLUG = "slots-saturated"


def _full(count: int, maximum: int) -> object:
    held = [(FIRST_HTTP + n % 4, backend(1000 + n, idle_for=10 + n)) for n in range(count)]
    return host(held, settings_={"max_connections": str(maximum)})


def test_silent_with_free_slots() -> None:
    assert findings(host(), SLUG) == ()


def test_speaks_at_95_percent_of_usable_slots_not_of_max_connections() -> None:
    (finding,) = findings(_full(19, 23), SLUG)
    assert "19 of 20 usable slots" in finding.message
    assert finding.severity is None and verdict(_full(19, 23), SLUG).severity is Severity.CRITICAL
    assert findings(_full(18, 23), SLUG) == ()


@given(st.integers(20, 60))
def test_its_own_fix_silences_it(count: int) -> None:
    snapshot = _full(count, 23)
    assert findings(snapshot, SLUG)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_sessions() -> None:
    gap = Unavailable("pg_stat_activity", "refused", "connect through the socket")
    said = verdict(structs.replace(host(), activity=gap), SLUG)
    assert said.state == "unknown" and gap in said.missing
