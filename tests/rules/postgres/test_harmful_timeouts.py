from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import AlterRole, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Override, Overrides, Setting, Settings
from tests.build import backend, findings, host, listeners, mended, topology, verdict

SLUG = "harmful-timeouts"
NAMES = ("idle_session_timeout", "idle_in_transaction_session_timeout", "statement_timeout", "transaction_timeout")


def _with(*overrides: Override, options: dict[str, int] | None = None, **settings_: str) -> Snapshot:
    snapshot = host(settings_=settings_, options=options)  # type: ignore[arg-type]
    assert isinstance(snapshot.settings, Settings)
    if "transaction_timeout" not in settings_:
        more = (*snapshot.settings.settings, Setting("transaction_timeout", "0", "ms", "default"))
        snapshot = structs.replace(snapshot, settings=Settings(more))
    return structs.replace(snapshot, overrides=Overrides(overrides))


def test_silent_with_the_defaults_and_with_patient_values_for_the_role() -> None:
    assert findings(_with(), SLUG) == ()
    patient = Override("odoo", None, "statement_timeout", "15min")
    assert findings(_with(patient, idle_in_transaction_session_timeout="900000"), SLUG) == ()
    assert findings(_with(Override("odoo", "prod", "idle_session_timeout", "15min")), SLUG) == ()
    assert findings(_with(Override("bi", None, "statement_timeout", "1s")), SLUG) == ()


@pytest.mark.parametrize(
    ("override", "word"),
    [
        (Override(None, None, "idle_session_timeout", "10min"), "ALTER ROLE ALL SET"),
        (Override(None, "postgres", "idle_session_timeout", "600000"), "ALTER DATABASE postgres SET"),
        (Override("odoo", None, "idle_session_timeout", "600s"), "ALTER ROLE odoo SET"),
        (Override("odoo", "postgres", "idle_session_timeout", "1h"), "ALTER ROLE odoo IN DATABASE postgres SET"),
    ],
)
def test_speaks_of_idle_session_timeout_wherever_it_reaches_listeners(override: Override, word: str) -> None:
    (finding,) = findings(_with(override), SLUG)
    assert "sessions that LISTEN" in finding.message and finding.evidence[0].source == word


def test_speaks_of_server_wide_values() -> None:
    (finding,) = findings(_with(statement_timeout="600000"), SLUG)
    assert "statement_timeout is 600000 ms for role odoo on prod" in finding.message
    (finding,) = findings(_with(transaction_timeout="600000"), SLUG)
    assert "transaction_timeout" in finding.message
    (finding,) = findings(_with(idle_session_timeout="600000"), SLUG)
    assert "postgres" in finding.message


def test_precedence_the_most_specific_override_decides() -> None:
    saved = Override("odoo", None, "statement_timeout", "0")
    assert findings(_with(saved, statement_timeout="1000"), SLUG) == ()
    worse = Override("odoo", "prod", "statement_timeout", "1s")
    (finding,) = findings(_with(saved, worse), SLUG)
    assert "1s for role odoo on prod" in finding.message
    assert finding.fix is not None
    assert finding.fix.changes[0] == AlterRole("odoo", set_name="statement_timeout", set_value=None, database="prod")


def test_idle_in_transaction_is_held_against_the_longest_action() -> None:
    five = {"idle_in_transaction_session_timeout": "300000"}
    assert findings(_with(**five), SLUG) == ()
    (finding,) = findings(_with(options={"limit_time_real_cron": 3600}, **five), SLUG)
    assert "3600 s" in finding.message and finding.fix is not None
    assert finding.fix.changes == (
        AlterRole("odoo", set_name="idle_in_transaction_session_timeout", set_value="7200s"),
    )
    (endless,) = findings(_with(options={"limit_time_real_cron": 0}, **five), SLUG)
    assert endless.severity is Severity.WARNING
    (long,) = findings(_with(options={"limit_time_real_cron": 0}, idle_in_transaction_session_timeout="3600000"), SLUG)
    assert long.severity is Severity.INFO


def test_a_queue_job_runner_listens_on_the_application_database() -> None:
    runner = (200, backend(1, application_name="", query="LISTEN queue_job"))
    snapshot = host([*listeners(), runner], roles={**topology(), 200: "queue_job"})
    snapshot = structs.replace(
        snapshot, overrides=Overrides((Override("odoo", "prod", "idle_session_timeout", "15min"),))
    )
    (finding,) = findings(snapshot, SLUG)
    assert "on prod" in finding.message


@given(st.sampled_from(NAMES), st.sampled_from([None, "odoo"]), st.sampled_from([None, "prod", "postgres"]))
def test_its_own_fix_silences_it(name: str, role: str | None, database: str | None) -> None:
    snapshot = _with(Override(role, database, name, "5s"))
    if name != "idle_session_timeout" and database != "postgres":
        assert findings(snapshot, SLUG)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_overrides_or_where_only_slotwises_own_value_is_known() -> None:
    gap = Unavailable("pg_db_role_setting", "refused", "connect")
    assert verdict(structs.replace(_with(), overrides=gap), SLUG).state == "unknown"
    own = _with()
    assert isinstance(own.settings, Settings)
    mine = tuple(
        structs.replace(s, source="client") if s.name == "statement_timeout" else s for s in own.settings.settings
    )
    assert verdict(structs.replace(own, settings=Settings(mine)), SLUG).state == "unknown"
    session = tuple(
        structs.replace(s, source="session") if s.name == "statement_timeout" else s for s in own.settings.settings
    )
    assert verdict(structs.replace(own, settings=Settings(session)), SLUG).state == "healthy"
