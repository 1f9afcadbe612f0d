"""reap's guards on the recordings of real Odoo hosts, with a policy without any patience."""

from __future__ import annotations

import pytest
from msgspec import structs

from slotwise.fixes.reaping import ReapPolicy, Round, judge_round
from slotwise.snapshot.model import Snapshot, not_collected
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.sessions import sessions
from tests.rules.recorded import recorded, recordings

IMPATIENT = ReapPolicy(idle_in_transaction_seconds=0, idle_seconds=0, active_seconds=0, at_most=1000)
RUNNING_JOBS = {"17-cron-job-running": "o17a", "18-cron-job-running": "o18a"}


def judged(snapshot: Snapshot) -> Round:
    result = judge_round(snapshot, IMPATIENT)
    assert isinstance(result, Round)
    return result


@pytest.mark.parametrize("name", recordings())
@pytest.mark.parametrize("blind", [False, True], ids=["owners seen", "owners not seen"])
def test_no_listener_and_no_running_action_is_condemned(name: str, blind: bool) -> None:
    snapshot = recorded(name)
    if blind:
        snapshot = structs.replace(snapshot, processes=not_collected("/proc"), sockets=not_collected("sockets"))
    condemned = judged(snapshot).condemned
    assert [one.pid for one in condemned if one.database == "postgres"] == []
    seen = sessions(snapshot)
    assert isinstance(seen, Sessions)
    workers = {f"cron_worker {h.owner.pid}" for h in seen.held if "FROM ir_cron" in (h.backend.query or "")}
    assert bool(workers) == (name in RUNNING_JOBS)
    assert [one.pid for one in condemned if one.owner in workers] == []
    if blind and name in RUNNING_JOBS:
        assert [one.pid for one in condemned if one.database == RUNNING_JOBS[name]] == []


def test_the_leaking_addons_transactions_are_condemned() -> None:
    condemned = judged(recorded("18-leaking-addon")).condemned
    stuck = [one for one in condemned if one.kind == "idle in transaction"]
    assert stuck and all(one.owner.startswith("http_worker") for one in stuck)


@pytest.mark.parametrize("name", [name for name in recordings() if "pgbouncer" in name])
def test_what_a_pooler_keeps_idle_is_its_own_business(name: str) -> None:
    assert [one for one in judged(recorded(name)).condemned if one.kind == "idle"] == []
