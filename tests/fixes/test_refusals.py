"""A change that would break something is refused, and the one just beside it is not."""

from __future__ import annotations

from typing import Any

from slotwise.fixes.ground import PostgresGround, Standby
from slotwise.fixes.refusals import lock_slots, refusals
from slotwise.snapshot.postgres import Setting, Settings

MIB = 1024 * 1024
VALUES = {
    "max_connections": "100",
    "superuser_reserved_connections": "3",
    "autovacuum_max_workers": "3",
    "max_worker_processes": "8",
    "max_wal_senders": "10",
    "max_prepared_transactions": "0",
    "max_locks_per_transaction": "64",
    "shared_buffers": "16384",
    "huge_pages": "try",
}
SETTINGS = Settings(tuple(Setting(name, value, None, "configuration file") for name, value in VALUES.items()))
GROUND = PostgresGround(
    address="here:5432",
    version_num=150004,
    is_superuser=True,
    in_recovery=False,
    platform="self-hosted",
    sessions=20,
    relations=1000,
    relations_database="prod",
)


def said(wanted: dict[str, str], limit: int | None = None, done: bool = False, **ground: Any) -> list[str]:
    from msgspec import structs

    settings = SETTINGS
    if "huge_pages" in ground:
        changed = Setting("huge_pages", ground.pop("huge_pages"), None, "configuration file")
        settings = Settings((*(s for s in SETTINGS.settings if s.name != "huge_pages"), changed))
    return [r.why for r in refusals(wanted, settings, structs.replace(GROUND, **ground), limit, done)]


def test_a_harmless_change_is_not_refused() -> None:
    assert said({"max_connections": "60"}) == []
    assert said({"max_connections": "200"}, limit=4096 * MIB) == []


def test_below_what_is_in_use() -> None:
    assert said({"max_connections": "23"}) == []
    (why,) = said({"max_connections": "22"})
    assert "20 sessions are open now" in why
    assert "could not be counted" in said({"max_connections": "60"}, sessions=None)[0]


def test_on_a_standby() -> None:
    assert said({"max_connections": "80"}, in_recovery=True, primary_values={"max_connections": "80"}) == []
    (why,) = said({"max_connections": "79"}, in_recovery=True, primary_values={"max_connections": "80"})
    assert "the primary has 80" in why
    assert "not known" in said({"max_connections": "80"}, in_recovery=True)[0]


def test_on_a_primary_with_standbys() -> None:
    standby = (Standby("replica1", "10.0.0.2"),)
    assert "replica1" in said({"max_connections": "120"}, standbys=standby)[0]
    assert said({"max_connections": "120"}, standbys=standby, done=True) == []
    assert said({"max_connections": "80"}, standbys=standby) == []


def test_a_lock_table_too_small_for_a_dump() -> None:
    slots = lock_slots({"max_connections": "60"}, SETTINGS, 150004)
    assert slots == 64 * (60 + 3 + 8 + 10 + 1)
    assert said({"max_connections": "60"}, relations=slots) == []
    (why,) = said({"max_connections": "60"}, relations=slots + 1)
    assert "out of shared memory" in why
    assert said({"max_connections": "60", "max_locks_per_transaction": "128"}, relations=slots + 1) == []
    assert "could be counted" in said({"max_connections": "60"}, relations=None)[0]


def test_huge_pages() -> None:
    room = {"huge_pages_bytes": 200 * MIB, "shared_memory_bytes": 190 * MIB}
    assert said({"max_connections": "200"}, **room) == []
    assert said({"max_connections": "200"}, huge_pages="on", **room) == []
    (why,) = said({"max_connections": "500"}, huge_pages="on", **room)
    assert "huge_pages is on" in why
    assert "could not be read" in said({"max_connections": "200"}, huge_pages="on")[0]


def test_the_control_groups_memory() -> None:
    assert said({"max_connections": "400"}, limit=2048 * MIB) == []
    (why,) = said({"max_connections": "1000"}, limit=2048 * MIB)
    assert "the control group allows 2048 MiB" in why
