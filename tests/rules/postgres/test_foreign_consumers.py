from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import AlterRole, Manual, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Role, Roles
from tests.build import FIRST_HTTP, backend, findings, host, mended, topology, verdict

SLUG = "foreign-consumers"
ROLES = Roles((Role("odoo", False, -1, True), Role("bi", False, -1, True), Role("postgres", True, -1, True)))


def _with(count: int, name: str = "Metabase", user: str = "bi", first: int = 500, **more: object) -> Snapshot:
    held = [
        (None, backend(first + n, application_name=name, user=user, addr="10.0.0.8", **more))  # type: ignore[arg-type]
        for n in range(count)
    ]
    return structs.replace(host([*held, (FIRST_HTTP, backend(1))]), roles=ROLES)


def test_silent_about_single_sessions_and_odoo_itself() -> None:
    assert findings(host(), SLUG) == ()
    one_each = [
        (None, backend(500 + n, application_name=f"exporter {chr(97 + n)}", user="bi", addr="10.0.0.8"))
        for n in range(12)
    ]
    assert findings(host(one_each), SLUG) == ()
    remote_odoo = [(None, backend(600 + n, application_name=f"odoo-{n}", addr="10.0.0.7")) for n in range(40)]
    assert findings(host(remote_odoo), SLUG) == ()
    pooler = [(60, backend(700 + n, application_name="")) for n in range(40)]
    assert findings(host(pooler, roles={**topology(), 60: "pgbouncer"}), SLUG) == ()


def test_speaks_from_a_tenth_of_the_usable_slots() -> None:
    assert findings(_with(9), SLUG) == ()
    (finding,) = findings(_with(10), SLUG)
    assert "10 of 97 usable slots (10%)" in finding.message and "'Metabase' of role bi on 10.0.0.8" in finding.message
    assert finding.severity is Severity.INFO
    (large,) = findings(_with(25), SLUG)
    assert large.severity is Severity.WARNING


def test_a_program_of_this_host_is_named_by_its_process() -> None:
    held = [(300, backend(500 + n, application_name="", user="odoo")) for n in range(12)]
    (finding,) = findings(host(held, roles={**topology(), 300: "unknown"}), SLUG)
    assert "of role odoo (12)" in finding.message
    assert finding.fix is not None and all(isinstance(c, Manual) for c in finding.fix.changes)


def test_odoos_role_and_superusers_are_never_limited() -> None:
    (finding,) = findings(_with(12, "pgAdmin 4", "postgres"), SLUG)
    assert finding.fix is not None and not [c for c in finding.fix.changes if isinstance(c, AlterRole)]


def test_masked_rows_and_unnamed_clients_of_odoos_role_are_not_blamed() -> None:
    assert findings(_with(20, user="odoo", name=""), SLUG) == ()
    masked = [
        (None, structs.replace(backend(500 + n, user="bi", application_name="", addr="10.0.0.8"), masked=True))
        for n in range(20)
    ]
    assert findings(host(masked), SLUG) == ()


@given(st.integers(10, 80), st.integers(0, 10))
def test_its_own_fix_silences_it(first: int, second: int) -> None:
    snapshot = _with(first)
    more = [(None, backend(700 + n, application_name="cube", user="bi", addr="10.0.0.9")) for n in range(second)]
    assert findings(snapshot, SLUG) and findings(mended(snapshot, SLUG), SLUG) == ()
    both = structs.replace(
        host(
            [*more, *((None, backend(500 + n, user="bi", addr="10.0.0.8", application_name="m")) for n in range(first))]
        ),
        roles=ROLES,
    )
    assert findings(mended(both, SLUG), SLUG) == ()


def test_unknown_without_odoos_configuration() -> None:
    gap = Unavailable("Odoo", "not found", "name it with --config")
    assert verdict(structs.replace(_with(12), odoo=gap), SLUG).state == "unknown"
