"""What the rules about demand and supply say on every recording, and the figures that they rest on."""

from __future__ import annotations

import pytest

from slotwise.capacity.from_snapshot import InstallationDemand, installation_demand
from slotwise.findings import Fix, SetServerSetting
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.sessions import sessions
from tests.build import findings
from tests.rules.recorded import Said, recorded, recordings, said

DEFAULTS = {"ceiling-above-supply": "info"}

TABLE: dict[str, Said] = {
    "17-cron-job-running": DEFAULTS,
    "17-pgbouncer-transaction-everything": {},
    "17-prefork-1db-busy": DEFAULTS,
    "17-prefork-unix-socket": DEFAULTS,
    "18-cron-job-running": DEFAULTS,
    "18-leaking-addon": DEFAULTS,
    "18-pgbouncer-postgres-in-session": {},
    "18-pgbouncer-transaction-everything": {},
    "18-prefork-1db-busy": DEFAULTS,
    "18-prefork-1db-idle": DEFAULTS,
    "18-prefork-4db-after-load": DEFAULTS | {"peak-above-supply": "warning"},
    "18-prefork-unix-socket": DEFAULTS,
    "18-saturated": DEFAULTS | {"demand-above-supply": "critical"},
    "18-threaded": {},
}


def test_the_table_is_whole() -> None:
    assert tuple(sorted(TABLE)) == recordings()


@pytest.mark.parametrize("name", recordings())
def test_it_says_this_and_nothing_else(name: str) -> None:
    assert said(name, "capacity") == TABLE[name]


def _demand(name: str) -> InstallationDemand:
    found = installation_demand(recorded(name))
    assert isinstance(found, InstallationDemand), found
    return found


@pytest.mark.parametrize(
    ("name", "started", "typical", "ceiling"),
    [
        ("18-prefork-1db-idle", 2, 22, 448),  # (4 + 2 + 1) × 64
        ("18-prefork-1db-busy", 2, 22, 448),
        ("18-prefork-unix-socket", 1, 14, 256),  # (2 + 1 + 1) × 64
        ("18-prefork-4db-after-load", 2, 46, 448),  # 4 × 2 × 4 databases, 2 × 4, 1 + 5
        ("18-threaded", 3, 17, 64),
    ],
)
def test_demand_follows_settings_and_databases_in_use(name: str, started: int, typical: int, ceiling: int) -> None:
    figures = _demand(name).figures
    assert (figures.started, figures.typical, figures.ceiling) == (started, typical, ceiling)


@pytest.mark.parametrize("name", recordings())
def test_what_is_in_use_is_certain_on_every_recording(name: str) -> None:
    # There each of four young workers holds two or three of the four databases in use: a lower bound.
    assert _demand(name).certain is (name != "18-saturated")


@pytest.mark.parametrize("name", ["17-prefork-1db-busy", "18-prefork-1db-busy", "18-prefork-4db-after-load"])
def test_what_a_busy_host_holds_lies_between_its_start_and_typical_demand(name: str) -> None:
    seen = sessions(recorded(name))
    assert isinstance(seen, Sessions)
    of_odoo = sum(1 for h in seen.held if h.owner.instance is not None)
    figures = _demand(name).figures
    assert figures.started < of_odoo <= figures.typical


def test_behind_a_pgbouncer_only_its_pools_take_slots() -> None:
    (pool,) = _demand("18-pgbouncer-transaction-everything").pooled
    assert pool.clients.ceiling == 448 and pool.likely.total == 50  # two databases × 25
    assert _demand("18-pgbouncer-transaction-everything").figures.peak <= 50


def test_a_full_server_is_not_told_to_raise_max_connections_first() -> None:
    (finding,) = findings(recorded("18-saturated"), "demand-above-supply")
    assert isinstance(finding.fix, Fix)
    assert not isinstance(finding.fix.changes[0], SetServerSetting)
    assert finding.fix.summary.index("PgBouncer") < finding.fix.summary.index("max_connections")
