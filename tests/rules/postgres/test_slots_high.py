from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import EndSession
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Activity
from tests.build import FIRST_CRON, FIRST_HTTP, backend, findings, host, mended, verdict

SLUG = "slots-high"


def _filled(count: int, idle_for: float = 900) -> Snapshot:
    held = [(FIRST_HTTP + n % 4, backend(1000 + n, idle_for=idle_for + n)) for n in range(count)]
    return host(held, settings_={"max_connections": "43"})


def test_silent_below_80_percent_and_when_saturated_speaks_instead() -> None:
    assert findings(_filled(31), SLUG) == ()
    assert findings(_filled(38), SLUG) == ()


def test_speaks_from_80_percent_of_usable_slots_and_names_who_holds_most() -> None:
    (finding,) = findings(_filled(32), SLUG)
    assert "32 of 40 usable slots are taken (80%)" in finding.message
    assert "http_worker 110 (8)" in finding.message


@given(st.integers(32, 37))
def test_its_own_fix_silences_it(count: int) -> None:
    assert findings(_filled(count), SLUG)
    assert findings(mended(_filled(count), SLUG), SLUG) == ()


def test_sessions_used_within_ten_minutes_are_not_ended() -> None:
    (finding,) = findings(_filled(34, idle_for=5), SLUG)
    assert finding.fix is not None
    assert not [c for c in finding.fix.changes if isinstance(c, EndSession)]


def test_listen_sessions_are_not_ended() -> None:
    held = [(FIRST_HTTP + n % 4, backend(1000 + n, idle_for=5)) for n in range(32)]
    held.append((FIRST_CRON, backend(9000, "postgres", idle_for=9000)))
    (finding,) = findings(host(held, settings_={"max_connections": "43"}), SLUG)
    assert finding.fix is not None
    assert not [c for c in finding.fix.changes if isinstance(c, EndSession)]


def test_unknown_without_settings_and_where_masked_rows_could_matter() -> None:
    gap = Unavailable("pg_settings", "refused", "connect")
    assert verdict(structs.replace(_filled(32), settings=gap), SLUG).state == "unknown"
    masked = structs.replace(backend(5000), backend_type=None, masked=True, state=None, client_port=None)
    rows = (*(backend(1000 + n) for n in range(31)), masked)
    assert verdict(structs.replace(_filled(31), activity=Activity(rows, None)), SLUG).state == "unknown"
