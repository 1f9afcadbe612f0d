from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import AlterRole, Manual, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Override, Overrides
from tests.build import FIRST_HTTP, backend, findings, host, listeners, mended, verdict

SLUG = "no-idle-transaction-cap"
NAME = "idle_in_transaction_session_timeout"


def _uncapped(*overrides: Override, cron: int = -1, idle: float = 1) -> Snapshot:
    open_ = (FIRST_HTTP, backend(1, state="idle in transaction", idle_for=idle, query="SELECT 1"))
    snapshot = host([*listeners(), open_], settings_={NAME: "0"}, options={"limit_time_real_cron": cron})
    return structs.replace(snapshot, overrides=Overrides(overrides))


def test_silent_with_a_cap_for_the_role() -> None:
    assert findings(host(), SLUG) == ()
    assert findings(_uncapped(Override("odoo", None, NAME, "15min")), SLUG) == ()


def test_speaks_softly_until_something_is_stuck() -> None:
    (soft,) = findings(_uncapped(), SLUG)
    assert soft.severity is Severity.INFO and "for role odoo on prod" in soft.message
    (loud,) = findings(_uncapped(idle=130), SLUG)
    assert loud.severity is Severity.WARNING and "1 sessions are idle in transaction beyond" in loud.message


def test_the_value_is_per_role_and_above_limit_time_real_cron() -> None:
    (finding,) = findings(_uncapped(cron=3600), SLUG)
    assert finding.fix is not None
    assert finding.fix.changes == (AlterRole("odoo", set_name=NAME, set_value="7200s"),)
    (endless,) = findings(_uncapped(cron=0), SLUG)
    assert endless.fix is not None and all(isinstance(c, Manual) for c in endless.fix.changes)


@given(st.integers(-1, 9000).filter(bool), st.booleans())
def test_its_own_fix_silences_it(cron: int, own_override: bool) -> None:
    overrides = (Override("odoo", "prod", NAME, "0"),) if own_override else ()
    snapshot = _uncapped(*overrides, cron=cron)
    assert findings(snapshot, SLUG)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_overrides() -> None:
    gap = Unavailable("pg_db_role_setting", "refused", "connect")
    assert verdict(structs.replace(_uncapped(), overrides=gap), SLUG).state == "unknown"
