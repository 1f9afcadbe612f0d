from __future__ import annotations

import msgspec
import pytest

from slotwise.load.compare import compare
from slotwise.load.report import SCHEMA, LoadReport
from tests.load.reports import report


def test_it_survives_json() -> None:
    one = report(refused=9)
    raw = msgspec.json.encode(one)
    assert msgspec.json.decode(raw, type=LoadReport) == one
    assert msgspec.json.decode(raw)["schema"] == SCHEMA == "slotwise.load/1"


def test_wall_goal_and_headroom() -> None:
    fine, refused = report(), report(refused=9)
    assert fine.wall is None and fine.goal_met and fine.healthy
    assert fine.knee.users == pytest.approx(10.4, rel=0.1)
    # The step nearest to the knee has 8 users and 11 slots.
    assert fine.used_at_knee == 11 and fine.headroom_ratio == pytest.approx(1 - 11 / 37)
    assert refused.wall is not None
    assert (refused.wall.wall, refused.wall.role, refused.wall.users) == ("pg_reserved", "http_worker", 32)
    assert not refused.healthy and refused.goal_met is False


def test_slots_that_nobody_saw_are_unknown() -> None:
    blind = report(gap="not allowed")
    assert blind.used_at_knee is None and blind.headroom_ratio is None and blind.usable is None


def test_comparing_a_run_with_itself_and_with_a_worse_one() -> None:
    same = compare(report(), report(), ("a", "b"))
    assert {row.change for row in same.rows} == {"same"} and not same.worse and same.different == ()
    worse = compare(report(), report(slow=2.0, refused=9), ("a", "b"))
    changes = {row.name: row.change for row in worse.rows}
    assert changes["p95 at 32 users"] == "worse" and changes["failed at 32 users"] == "worse"
    assert worse.worse and worse.wall_b == "pg_reserved"
    assert compare(report(slow=2.0), report(), ("a", "b")).worse is False
    assert "unknown" in {row.change for row in compare(report(gap="x"), report(), ("a", "b")).rows}
