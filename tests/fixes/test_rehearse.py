from __future__ import annotations

from msgspec import structs

from slotwise.findings import AlterRole, EndSession, RestartProcess, SetOdooOption, SetPoolDatabase, SetServerSetting
from slotwise.fixes.rehearse import rehearse
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.postgres import Activity, Blocked, Locks, Overrides, Roles, Settings
from slotwise.snapshot.processes import Processes
from slotwise.snapshot.sessions import sessions
from tests.build import FIRST_HTTP, NOW, behind, host, pgbouncer


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


def test_who_waited_for_an_ended_session_waits_no_more() -> None:
    before = structs.replace(host(), locks=Locks((Blocked(2, (1,)), Blocked(3, (1, 2)), Blocked(1, (9,)))))
    after = rehearse(before, (EndSession(1, None, "test"),))
    assert after.locks == Locks((Blocked(3, (2,)),))


def test_a_replaced_worker_is_young_and_holds_nothing() -> None:
    after = rehearse(host(), (RestartProcess(FIRST_HTTP, None, "test"),))
    assert isinstance(after.processes, Processes) and isinstance(after.activity, Activity)
    started = {p.pid: p.started_at for p in after.processes.processes}
    assert started[FIRST_HTTP] == NOW and started[FIRST_HTTP + 1] == NOW - 3600
    seen = sessions(after)
    assert isinstance(seen, Sessions) and FIRST_HTTP not in {h.owner.pid for h in seen.held}
