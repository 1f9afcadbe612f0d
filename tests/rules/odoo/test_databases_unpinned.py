from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Manual, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Database, Databases
from tests.build import FIRST_HTTP, backend, findings, host, mended, verdict

SLUG = "databases-unpinned"


def _owned(names: list[str], owner: str | None = "odoo", used: list[str] | None = None, **options: object) -> Snapshot:
    rows = [Database("postgres", -1, True, False, "postgres"), Database("template1", -1, True, True, "postgres")]
    rows += [Database(name, -1, True, False, owner) for name in names]
    held = [(FIRST_HTTP + n % 4, backend(1000 + n, name)) for n, name in enumerate(used or [])]
    values = {"db_name": False, **options}
    return structs.replace(host(held, options=values), databases=Databases(tuple(rows)))


def test_silent_where_db_name_is_set() -> None:
    assert findings(_owned(["a", "b"], db_name="a"), SLUG) == ()


def test_silent_where_the_role_owns_one_database() -> None:
    assert findings(_owned(["a"], used=["a"]), SLUG) == ()
    assert findings(_owned([]), SLUG) == ()


def test_silent_about_databases_of_other_roles_templates_and_postgres() -> None:
    assert findings(_owned(["a", "b", "c"], owner="someone", used=[]), SLUG) == ()


def test_speaks_of_databases_that_nobody_uses() -> None:
    said = verdict(_owned(["prod", "staging", "copy"], used=["prod"]), SLUG)
    assert said.severity is Severity.WARNING
    assert "3 databases are served (copy, prod, staging), in use now: prod" in said.findings[0].message


def test_speaks_softly_where_every_database_is_in_use() -> None:
    assert verdict(_owned(["a", "b"], used=["a", "b"]), SLUG).severity is Severity.INFO


def test_speaks_of_what_is_in_use_where_owners_are_unknown() -> None:
    (finding,) = findings(_owned(["a", "b", "c"], owner=None, used=["a", "b"]), SLUG)
    assert "at least 2" in finding.message


def test_without_sessions_it_names_no_database_to_pin() -> None:
    fix = findings(_owned(["a", "b"]), SLUG)[0].fix
    assert fix is not None and all(isinstance(c, Manual) for c in fix.changes)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=8, unique=True), st.integers(1, 8))
def test_its_own_fix_silences_it(names: list[str], used: int) -> None:
    snapshot = _owned(names, used=names[:used])
    assert findings(snapshot, SLUG)
    assert findings(mended(snapshot, SLUG), SLUG) == ()


def test_unknown_where_owners_or_databases_were_not_read() -> None:
    assert verdict(_owned(["a", "b"], owner=None, used=["a"]), SLUG).state == "unknown"
    gap = Unavailable("pg_database", "refused", "connect")
    assert verdict(structs.replace(_owned(["a", "b"]), databases=gap), SLUG).state == "unknown"
