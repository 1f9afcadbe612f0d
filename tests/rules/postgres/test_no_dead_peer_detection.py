from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import SetServerSetting, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from tests.build import FIRST_HTTP, backend, findings, host, mended, verdict

SLUG = "no-dead-peer-detection"
DEFAULTS = {"tcp_keepalives_idle": "7200", "client_connection_check_interval": "0"}
REMOTE = (None, backend(1, addr="10.0.0.9"))
LOST = (None, backend(2, state="active", idle_for=30))


def _host(*held: object, **settings_: str) -> Snapshot:
    return host([(FIRST_HTTP, backend(9)), *held], settings_={**DEFAULTS, **settings_})  # type: ignore[list-item]


def test_silent_where_every_client_is_on_this_host() -> None:
    assert findings(_host(), SLUG) == ()
    assert findings(host(settings_=DEFAULTS), SLUG) == ()


def test_silent_with_keepalives_for_remote_clients() -> None:
    assert findings(_host(REMOTE, tcp_keepalives_idle="60", client_connection_check_interval="10000"), SLUG) == ()


def test_speaks_for_remote_clients_and_for_orphans() -> None:
    (finding,) = findings(_host(REMOTE), SLUG)
    assert "tcp_keepalives_idle = 7200" in finding.message and finding.severity is Severity.INFO
    (zero,) = findings(_host(REMOTE, tcp_keepalives_idle="0"), SLUG)
    assert zero.severity is Severity.INFO
    (orphan,) = findings(_host(LOST), SLUG)
    assert orphan.severity is Severity.WARNING and orphan.fix is not None
    assert orphan.fix.changes == (SetServerSetting("client_connection_check_interval", "10000", False),)


@given(st.booleans(), st.booleans(), st.sampled_from(["0", "1800", "7200"]))
def test_its_own_fix_silences_it(remote: bool, lost: bool, idle: str) -> None:
    snapshot = _host(*([REMOTE] if remote else []), *([LOST] if lost else []), tcp_keepalives_idle=idle)
    assert bool(findings(snapshot, SLUG)) is (remote or lost)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_settings() -> None:
    gap = Unavailable("pg_settings", "refused", "connect")
    assert verdict(structs.replace(_host(REMOTE), settings=gap), SLUG).state == "unknown"
