from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.walls.clocks import estimate_offsets
from slotwise.walls.events import LogEvent
from slotwise.walls.kinds import Role, Wall


def refusal(layer: str, seconds: float, wall: Wall = Wall.PG_RESERVED) -> LogEvent:
    return LogEvent(seconds, layer, wall, "pg_slots_reserved", Role.REFUSAL, "remaining connection slots")


def both(times: list[float], offset: float) -> list[LogEvent]:
    return [refusal("postgres", at) for at in times] + [refusal("odoo", at + 0.02 + offset) for at in times]


@given(
    st.lists(st.floats(0, 3_000), min_size=5, max_size=40, unique_by=lambda at: round(at / 7)),
    st.sampled_from([-7200.0, -90.0, 0.0, 37.5, 3600.0, 19_800.0]),
)
def test_the_offset_is_found(times: list[float], offset: float) -> None:
    (clock,) = estimate_offsets(both(times, offset))
    assert (clock.layer, clock.against) == ("odoo", "postgres")
    if clock.seconds is not None and abs(clock.seconds - offset) > 2.5:
        # Times that repeat at a steady pace fit more than one offset; then the smaller one is taken.
        assert abs(clock.seconds) < abs(offset)


def test_an_irregular_morning_gives_the_offset_exactly() -> None:
    (clock,) = estimate_offsets(both([3.0, 11.0, 40.0, 113.0, 400.0], 7200.0))
    assert clock.seconds == pytest.approx(7200.0, abs=0.1)
    assert clock.pairs == 5


def test_two_lonely_refusals_far_apart_prove_no_offset() -> None:
    (clock,) = estimate_offsets([refusal("postgres", 0.0), refusal("odoo", 5_000.0)])
    assert clock.seconds is None


def test_one_log_has_no_offset() -> None:
    assert estimate_offsets([refusal("postgres", 1.0)]) == ()


def test_different_walls_are_not_paired() -> None:
    events = [refusal("postgres", 1.0), refusal("odoo", 1.0, Wall.ODOO_POOL)]
    assert [clock.seconds for clock in estimate_offsets(events)] == [None]
