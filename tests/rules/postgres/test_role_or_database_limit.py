from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Manual, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Database, Databases, Role, Roles
from tests.build import FIRST_HTTP, backend, findings, host, mended, verdict

SLUG = "role-or-database-limit"


def _limited(
    role: int = -1, database: int = -1, count: int = 10, user: str = "odoo", superuser: bool = False
) -> Snapshot:
    held = [(FIRST_HTTP + n % 4, backend(1000 + n, user=user)) for n in range(count)]
    return structs.replace(
        host(held),
        roles=Roles((Role("odoo", superuser, role, True), Role("guest", False, 3, True))),
        databases=Databases(
            (Database("postgres", -1, True, False, "postgres"), Database("prod", database, True, False, "odoo"))
        ),
    )


def test_silent_without_limits_and_with_room() -> None:
    assert findings(_limited(), SLUG) == ()
    assert findings(_limited(role=60, database=60), SLUG) == ()
    assert findings(_limited(role=10, count=10, superuser=True), SLUG) == ()


def test_speaks_of_a_reached_limit_as_the_wall_that_it_is() -> None:
    (finding,) = findings(_limited(role=10), SLUG)
    assert finding.severity is Severity.CRITICAL
    assert "role odoo has 10 sessions and a CONNECTION LIMIT of 10: the next login is refused" in finding.message
    (finding,) = findings(_limited(database=10), SLUG)
    assert finding.subject == "database prod" and finding.severity is Severity.CRITICAL
    assert findings(_limited(database=10, superuser=True), SLUG), "superusers count towards a database's limit"


def test_speaks_of_a_limit_below_the_models_typical_demand() -> None:
    (finding,) = findings(_limited(role=12, count=3), SLUG)
    assert "Odoo ordinarily needs" in finding.message and finding.severity is Severity.WARNING


def test_a_guests_limit_is_only_noted() -> None:
    (finding,) = findings(_limited(count=3, user="guest"), SLUG)
    assert finding.severity is Severity.INFO and finding.fix is not None
    assert isinstance(finding.fix.changes[0], Manual)


def test_a_half_dropped_database_is_named() -> None:
    (finding,) = findings(_limited(database=-2), SLUG)
    assert "DROP DATABASE was interrupted" in finding.message


@given(st.integers(1, 40), st.booleans())
def test_its_own_fix_silences_it(count: int, of_role: bool) -> None:
    snapshot = _limited(role=count if of_role else -1, database=-1 if of_role else count, count=count)
    assert findings(snapshot, SLUG)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_without_roles() -> None:
    gap = Unavailable("pg_roles", "refused", "connect")
    assert verdict(structs.replace(_limited(role=10), roles=gap), SLUG).state == "unknown"
