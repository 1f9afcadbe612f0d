from __future__ import annotations

from slotwise.findings import AlterRole, EndSession, SetOdooOption, SetPoolDatabase, SetServerSetting
from slotwise.fixes.rehearse import rehearse
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.postgres import Activity, Overrides, Roles, Settings
from tests.build import behind, host, pgbouncer


def test_an_option_is_replaced_and_says_that_it_is_planned() -> None:
    after = rehearse(host(), (SetOdooOption("odoo", "db_maxconn", "8"),))
    assert isinstance(after.odoo, Odoo)
    option = after.odoo.instances[0].option("db_maxconn")
    assert option is not None and (option.value, option.source) == (8, "planned change")


def test_a_setting_keeps_its_unit() -> None:
    after = rehearse(host(), (SetServerSetting("statement_timeout", "600000", False),))
    assert isinstance(after.settings, Settings)
    assert after.settings.need("statement_timeout").unit == "ms"
    assert after.settings.integer("statement_timeout") == 600000


def test_roles_and_their_settings() -> None:
    after = rehearse(host(), (AlterRole("odoo", connection_limit=50, set_name="lock_timeout", set_value="1s"),))
    assert isinstance(after.roles, Roles) and isinstance(after.overrides, Overrides)
    role = after.roles.find("odoo")
    assert role is not None and role.connection_limit == 50 and not role.superuser
    assert [(o.role, o.name, o.value) for o in after.overrides.overrides] == [("odoo", "lock_timeout", "1s")]
    reset = rehearse(after, (AlterRole("odoo", set_name="lock_timeout"),))
    assert isinstance(reset.overrides, Overrides) and reset.overrides.overrides == ()


def test_an_ended_session_is_gone() -> None:
    before = host()
    assert isinstance(before.activity, Activity)
    pid = before.activity.backends[0].pid
    after = rehearse(before, (EndSession(pid, None, "test"),))
    assert isinstance(after.activity, Activity)
    assert pid not in {b.pid for b in after.activity.backends}
    assert len(after.activity.backends) == len(before.activity.backends) - 1


def test_a_pool_entry_is_added_or_changed() -> None:
    before = behind(host(), pgbouncer(postgres_mode=None))
    after = rehearse(
        before, (SetPoolDatabase("127.0.0.1:6432", "postgres", {"pool_mode": "session", "pool_size": "9"}),)
    )
    assert isinstance(after.pgbouncers, PgBouncers)
    assert after.pgbouncers.pgbouncers[0].pool_mode_of("postgres") == "session"
    assert after.pgbouncers.pgbouncers[0].pool_mode_of("prod") == "transaction"
