from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Manual, RestartServer, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Setting, Settings
from tests.build import findings, host, mended, verdict

SLUG = "pending-restart"


def _pending(*names: str, source: str = "configuration file", next_start: str | None = "200") -> Snapshot:
    snapshot = host()
    assert isinstance(snapshot.settings, Settings)
    changed = tuple(
        structs.replace(s, pending_restart=True, next_start=next_start, source=source) if s.name in names else s
        for s in snapshot.settings.settings
    )
    extra = Setting("wal_level", "replica", None, source, "wal_level" in names)
    return structs.replace(snapshot, settings=Settings((*changed, extra)))


def test_silent_when_nothing_waits() -> None:
    assert findings(_pending(), SLUG) == ()


def test_speaks_of_both_values_and_of_what_decides_capacity() -> None:
    (finding,) = findings(_pending("max_connections"), SLUG)
    assert "max_connections (now 100, then 200)" in finding.message and finding.severity is Severity.WARNING
    (other,) = findings(_pending("wal_level"), SLUG)
    assert other.severity is Severity.INFO


def test_speaks_of_the_next_start_that_files_alone_show() -> None:
    snapshot = host()
    assert isinstance(snapshot.settings, Settings)
    changed = tuple(
        structs.replace(s, next_start="77") if s.name == "max_connections" else s for s in snapshot.settings.settings
    )
    (finding,) = findings(structs.replace(snapshot, settings=Settings(changed)), SLUG)
    assert "then 77" in finding.message


def test_a_value_from_the_command_line_is_not_brought_by_a_restart() -> None:
    (finding,) = findings(_pending("max_connections", source="command line", next_start="100"), SLUG)
    assert "not even by a restart" in finding.message and finding.fix is not None
    assert not [c for c in finding.fix.changes if isinstance(c, RestartServer)]
    assert isinstance(finding.fix.changes[0], Manual) and "patronictl" in finding.fix.summary


@given(st.sets(st.sampled_from(["max_connections", "shared_buffers", "wal_level"]), min_size=1))
def test_its_own_fix_silences_it(names: set[str]) -> None:
    snapshot = _pending(*names)
    assert findings(snapshot, SLUG)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_settings() -> None:
    gap = Unavailable("pg_settings", "refused", "connect")
    assert verdict(structs.replace(host(), settings=gap), SLUG).state == "unknown"
