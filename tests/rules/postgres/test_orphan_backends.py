from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import EndSession, SetServerSetting, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.postgres import Settings
from tests.build import FIRST_HTTP, backend, findings, host, listeners, mended, verdict

SLUG = "orphan-backends"
NO_CHECK = {"client_connection_check_interval": "0"}


def test_silent_with_every_client_alive_elsewhere_or_unseen() -> None:
    assert findings(host(), SLUG) == ()
    away = [(None, backend(1, addr="10.0.0.9", state="active", idle_for=900))]
    assert findings(host(away), SLUG) == ()


def test_speaks_of_a_backend_at_work_for_a_client_that_is_gone() -> None:
    lost = (None, backend(1, state="active", idle_for=30, query="select pg_sleep(40)"))
    (finding,) = findings(host([*listeners(), lost], settings_=NO_CHECK), SLUG)
    assert "1 backend has lost its client: pid 1 is active on prod for 30 s" in finding.message
    assert "select pg_sleep(40)" in finding.message and finding.severity is Severity.WARNING
    assert finding.fix is not None
    assert finding.fix.changes[0] == SetServerSetting("client_connection_check_interval", "10000", False)
    assert isinstance(finding.fix.changes[1], EndSession)


def test_a_session_that_may_just_have_ended_is_not_reported() -> None:
    assert findings(host([(None, backend(1, idle_for=30))]), SLUG) == ()
    assert findings(host([(None, backend(1, state="active", idle_for=0.2))]), SLUG) == ()
    (finding,) = findings(host([(None, backend(1, idle_for=90))]), SLUG)
    assert finding.severity is Severity.INFO


def test_postgresql_13_is_told_that_it_cannot_look() -> None:
    snapshot = host([(None, backend(1, state="active", idle_for=30))])
    assert isinstance(snapshot.settings, Settings)
    old = Settings(tuple(s for s in snapshot.settings.settings if s.name != "client_connection_check_interval"))
    snapshot = structs.replace(snapshot, settings=old, server=structs.replace(snapshot.server, version_num=130012))
    (finding,) = findings(snapshot, SLUG)
    assert finding.fix is not None and "before 14" in finding.fix.summary
    assert not [c for c in finding.fix.changes if isinstance(c, SetServerSetting)]


@given(st.lists(st.sampled_from(["active", "idle in transaction", "idle"]), min_size=1, max_size=9))
def test_its_own_fix_silences_it(states: list[str]) -> None:
    held = [(FIRST_HTTP, backend(500)), *((None, backend(n, state=s, idle_for=90)) for n, s in enumerate(states))]
    snapshot = host(held, settings_=NO_CHECK)
    assert findings(snapshot, SLUG)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_sockets() -> None:
    gap = Unavailable("sockets", "not permitted", "run as root")
    lost = host([(None, backend(1, state="active", idle_for=30))])
    assert verdict(structs.replace(lost, sockets=gap), SLUG).state == "unknown"
