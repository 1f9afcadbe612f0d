from __future__ import annotations

from slotwise.capacity.odoo_targets import odoo_targets
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Database, Databases
from slotwise.snapshot.sessions import sessions
from tests.build import FIRST_HTTP, backend, host, instance


def test_databases_come_from_db_name_ownership_and_sessions() -> None:
    databases = Databases(
        (
            Database("owned", -1, True, False, "odoo"),
            Database("other", -1, True, False, "bi"),
            Database("tmpl", -1, True, True, "odoo"),
        )
    )
    seen = sessions(host([(FIRST_HTTP, backend(1, "seen")), (FIRST_HTTP, backend(2, "postgres"))]))
    assert isinstance(seen, Sessions)
    (target,) = odoo_targets(Odoo((instance(db_name="prod,test"),)), databases, seen)
    assert (target.role, target.databases) == ("odoo", ("owned", "prod", "seen", "test"))
    (bare,) = odoo_targets(Odoo((instance(db_name=False),)), None, None)
    assert bare.databases == ()
