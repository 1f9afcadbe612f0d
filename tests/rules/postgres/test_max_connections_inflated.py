from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Manual, RestartServer, SetServerSetting, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Activity, Settings
from tests.build import FIRST_HTTP, backend, findings, host, mended, verdict

SLUG = "max-connections-inflated"


def _max(value: int, **more: object) -> Snapshot:
    return host(settings_={"max_connections": str(value)}, **more)  # type: ignore[arg-type]


def test_silent_with_ordinary_values_and_where_the_demand_is_real() -> None:
    assert findings(_max(100), SLUG) == ()
    assert findings(_max(299), SLUG) == ()
    crowd = [(FIRST_HTTP + n % 4, backend(1000 + n, f"db{n}")) for n in range(240)]
    assert findings(host(crowd, settings_={"max_connections": "900"}), SLUG) == ()


def test_speaks_of_a_number_far_above_the_models_peak() -> None:
    (finding,) = findings(_max(700), SLUG)
    assert "max_connections is 700, but the model's peak is" in finding.message
    assert finding.severity is Severity.INFO
    (crowded,) = findings(_max(1000), SLUG)
    assert crowded.severity is Severity.WARNING and "125 for each of 8 cores" in crowded.message


def test_the_lock_table_keeps_its_size_and_the_restart_comes_last() -> None:
    (finding,) = findings(_max(1000), SLUG)
    assert finding.fix is not None
    locks, lower, restart = finding.fix.changes
    assert isinstance(locks, SetServerSetting) and locks.name == "max_locks_per_transaction"
    assert isinstance(lower, SetServerSetting) and lower.name == "max_connections" and lower.restart
    fixed = 3 + 1 + 8 + 10
    assert int(locks.value) * (int(lower.value) + fixed) >= 64 * (1000 + fixed)
    assert isinstance(restart, RestartServer)


def test_a_value_from_the_command_line_is_changed_there() -> None:
    snapshot = _max(1000)
    assert isinstance(snapshot.settings, Settings)
    passed = tuple(
        structs.replace(s, source="command line") if s.name == "max_connections" else s
        for s in snapshot.settings.settings
    )
    (finding,) = findings(structs.replace(snapshot, settings=Settings(passed)), SLUG)
    assert finding.fix is not None and all(isinstance(c, Manual) for c in finding.fix.changes)


def test_a_standby_is_not_told_to_lower_it() -> None:
    snapshot = _max(1000)
    assert findings(structs.replace(snapshot, server=structs.replace(snapshot.server, in_recovery=True)), SLUG) == ()


@given(st.integers(800, 5000))
def test_its_own_fix_silences_it(value: int) -> None:
    assert findings(_max(value), SLUG)
    assert findings(mended(_max(value), SLUG), SLUG) == ()


def test_unknown_where_nothing_can_be_counted() -> None:
    gap = Unavailable("pg_settings", "refused", "connect")
    assert verdict(structs.replace(_max(1000), settings=gap), SLUG).state == "unknown"
    masked = structs.replace(backend(1), backend_type=None, masked=True, state=None, client_port=None)
    hidden = structs.replace(_max(1000), activity=Activity((masked,), None), odoo=gap)
    assert verdict(hidden, SLUG).state == "unknown"
