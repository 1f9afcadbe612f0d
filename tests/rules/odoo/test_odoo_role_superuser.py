from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import AlterRole, Manual
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Database, Databases, Role, Roles
from tests.build import findings, host, mended, verdict

SLUG = "odoo-role-superuser"


def _roles(*roles: Role, owner: str | None = "postgres", **options: object) -> Snapshot:
    rows = Databases((Database("postgres", -1, True, False, owner), Database("prod", -1, True, False, "odoo")))
    return structs.replace(host(options={**options}), roles=Roles(roles), databases=rows)


ADMIN = Role("postgres", True, -1, True)
ODOO = Role("odoo", True, -1, True)


def test_silent_for_an_ordinary_role() -> None:
    assert findings(host(), SLUG) == ()


def test_speaks_of_a_superuser() -> None:
    (finding,) = findings(_roles(ADMIN, ODOO), SLUG)
    assert "role odoo is a superuser" in finding.message


def test_speaks_of_the_role_that_sessions_show_where_db_user_is_unset() -> None:
    (finding,) = findings(_roles(ADMIN, ODOO, db_user=False), SLUG)
    assert finding.subject == "role odoo"


def test_never_takes_the_attribute_where_it_would_lock_everybody_out() -> None:
    for snapshot in (
        _roles(ODOO),  # the only superuser
        _roles(Role("postgres", True, -1, False), ODOO),  # the other one cannot log in
        _roles(ADMIN, ODOO, owner="odoo"),  # docker compose: odoo made the cluster
        _roles(ADMIN, ODOO, owner=None),  # owners were not read
        structs.replace(_roles(ADMIN, ODOO), databases=Unavailable("pg_database", "x", "y")),
    ):
        fix = findings(snapshot, SLUG)[0].fix
        assert fix is not None and all(isinstance(c, Manual) for c in fix.changes)


@given(st.text("abcdefghij", min_size=1, max_size=8))
def test_its_own_fix_silences_it(name: str) -> None:
    snapshot = _roles(ADMIN, Role(name, True, -1, True), db_user=name)
    fix = findings(snapshot, SLUG)[0].fix
    assert fix is not None and AlterRole(name, superuser=False) in fix.changes
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_roles_or_where_the_role_is_not_there() -> None:
    assert verdict(structs.replace(host(), roles=Unavailable("pg_roles", "x", "y")), SLUG).state == "unknown"
    assert verdict(_roles(ADMIN), SLUG).state == "unknown"
    gap = Unavailable("pg_stat_activity", "x", "y")
    assert verdict(structs.replace(_roles(ADMIN, ODOO, db_user=False), activity=gap), SLUG).state == "unknown"
