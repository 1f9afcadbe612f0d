from __future__ import annotations

import pytest
from msgspec.structs import replace

from slotwise.load.safety import objections, production_name, reserve_objection
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.postgres import Activity, Role, Roles
from tests.build import FIRST_CRON, FIRST_HTTP, backend, host, listeners

STAGING = "erp_test"


def test_an_idle_staging_server_is_none() -> None:
    polled = backend(2000, STAGING, idle_for=5, application_name=f"odoo-{FIRST_CRON}")
    old = backend(2001, STAGING, idle_for=3000)
    assert objections(host([*listeners(), (FIRST_CRON, polled), (FIRST_HTTP, old)]), [STAGING], ["127.0.0.1"]) == ()


@pytest.mark.parametrize("name", ["prod", "acme_production", "LIVE", "db.prod.example.com", "erp-live-2", "prod1"])
def test_names_of_production(name: str) -> None:
    assert production_name("x", name) == name
    assert "sounds like production" in objections(host([]), [STAGING], [name])[0]


@pytest.mark.parametrize("name", ["products", "staging", "delivery", "olive", "alive", "reproduction"])
def test_names_that_only_contain_it(name: str) -> None:
    assert production_name(name) is None


def test_somebody_who_works_is_an_objection() -> None:
    said = objections(host([(FIRST_HTTP, backend(2000, STAGING, idle_for=20))]), [STAGING], [])
    assert len(said) == 1 and "worked on erp_test" in said[0]
    active = backend(2000, STAGING, "idle in transaction", idle_for=3000)
    assert objections(host([(FIRST_HTTP, active)]), [STAGING], [])
    assert not objections(host([(FIRST_HTTP, backend(2000, "other", idle_for=1))]), [STAGING], [])


def test_what_cannot_be_seen_is_an_objection() -> None:
    hidden = replace(backend(2000, STAGING), state=None, query=None, backend_type=None, masked=True, state_change=None)
    snapshot = replace(host([]), activity=Activity((hidden,), None))
    assert "do not show" in objections(snapshot, [STAGING], [])[0]
    gap = Unavailable("pg_stat_activity", "refused", "let slotwise in")
    blind = replace(host([]), activity=gap, titles=gap)
    assert "nobody could see" in objections(blind, [STAGING], [])[0]


def test_a_role_that_could_take_the_reserve() -> None:
    snapshot = replace(
        host([]),
        roles=Roles((Role("su", True, -1, True), Role("odoo", False, -1, True), Role("kept", False, -1, True, True))),
    )
    assert "superuser" in (reserve_objection(snapshot, "su") or "")
    assert "reserved_connections" in (reserve_objection(snapshot, "kept") or "")
    assert reserve_objection(snapshot, "odoo") is None
