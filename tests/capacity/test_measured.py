"""docs/model.md against the model: every measured row is recomputed; every recording is held beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from slotwise.capacity.demand import Demand, odoo_demand
from slotwise.capacity.deployment import OdooHost, Traffic

ROOT = Path(__file__).parents[2]
RECORDINGS = sorted((ROOT / "tests" / "evidence").glob("*.json"))
CONCURRENT_CLIENTS = 16


def rows() -> list[list[str]]:
    text = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| 1[789] \|.*\|$", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def host_of(row: list[str]) -> OdooHost:
    version, workers, cron, databases, preloaded = row[:5]
    return OdooHost(
        odoo_version=int(version),
        workers=int(workers),
        max_cron_threads=int(cron),
        databases=int(databases),
        preloaded=int(databases) if preloaded == "yes" else 0,
        # The server held further databases of the same role, so only db_name told a request its database.
        request_has_database=preloaded == "yes",
        traffic=Traffic.RPC,
        websockets=0,
        concurrent_requests=CONCURRENT_CLIENTS,
    )


def at_moment(host: OdooHost, moment: str, wanted: Demand) -> int:
    """The model's figure: typical, but in a short run the cron processes have only their LISTEN sessions."""
    if moment == "steady state":
        return wanted.typical
    if host.workers == 0:
        jobs = 3 * host.max_cron_threads
        return wanted.typical - jobs
    return wanted.by_role["http_worker"].typical + wanted.by_role["cron_worker"].started


def test_there_are_all_the_rows() -> None:
    assert len(rows()) == 14


@pytest.mark.parametrize("row", rows(), ids=lambda row: "-".join(row[:6]))
def test_a_measured_row(row: list[str]) -> None:
    host = host_of(row)
    wanted = odoo_demand(host)
    moment, model, measured, peak, guide = row[5:]
    low, _, high = measured.partition("–")
    least, most = int(low), int(high or low)
    assert at_moment(host, moment, wanted) == int(model)
    assert wanted.peak == int(peak)
    assert wanted.guide == int(guide)
    assert wanted.started == 2
    assert most <= wanted.peak
    if moment == "steady state":
        assert 0.65 * least <= wanted.typical <= 1.35 * most
    else:
        assert int(model) == least == most


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_no_recording_is_above_the_peak(path: Path) -> None:
    recorded = json.loads(path.read_text(encoding="utf-8"))
    topology = recorded["topology"]
    host = OdooHost(
        odoo_version=int(path.name[:2]),
        workers=topology["workers"],
        max_cron_threads=topology["max_cron_threads"],
        db_maxconn=topology["db_maxconn"],
        databases=tuple(topology["databases"]),
        preloaded=tuple(topology["preloaded"]),
        websockets=topology.get("websockets"),
        concurrent_requests=12,
        raw_connections=6 if "leaking" in path.name else 0,
    )
    wanted = odoo_demand(host)
    held: dict[str, int] = {}
    for name, count in recorded["truth"]["by_role_db"].items():
        held[name.partition("@")[0]] = held.get(name.partition("@")[0], 0) + count
    if "leaking" in path.name:
        # A leak is what the model does not allow for: 12 cursors more than the workers can explain.
        assert held["http_worker"] - host.raw_connections > wanted.by_role["http_worker"].peak
        return
    for role, count in held.items():
        if role != "unknown":  # behind PgBouncer, or an orphan: nobody's
            assert count <= wanted.by_role[role].peak, role
    assert sum(held.values()) <= wanted.peak
    if "idle" in path.name:
        assert sum(held.values()) == wanted.started
