from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slotwise.walls.events import LogEvent
from slotwise.walls.kinds import Role, Wall
from slotwise.walls.tally import MAX_CELLS, MAX_EVENTS, Tally


def refusal(seconds: float | None, database: str = "prod") -> LogEvent:
    return LogEvent(
        seconds, "postgres", Wall.PG_MAX_CONNECTIONS, "pg_slots_hard", Role.REFUSAL, "sorry", database=database
    )


def test_memory_stays_flat_and_counts_stay_exact() -> None:
    tally = Tally()
    count = 60_000
    for number in range(count):
        tally.add(refusal(1_000.0 + number * 7, f"db{number % 3}"))
    assert tally.events_total == count
    assert tally.walls == {"pg_max_connections": count}
    assert len(tally.cells) <= MAX_CELLS
    assert len(tally.events) <= MAX_EVENTS
    assert sum(cell.count for cell in tally.cells.values()) == count
    assert min(cell.first_seconds for cell in tally.cells.values()) == 1_000.0
    assert max(cell.last_seconds for cell in tally.cells.values()) == 1_000.0 + (count - 1) * 7


times = st.lists(st.one_of(st.none(), st.floats(0, 1e6)), max_size=60)


@given(times, times)
def test_two_tallies_together_are_the_tally_of_both(first: list[float | None], second: list[float | None]) -> None:
    whole, left, right = Tally(), Tally(), Tally()
    for seconds in first:
        whole.add(refusal(seconds))
        left.add(refusal(seconds))
    for seconds in second:
        whole.add(refusal(seconds))
        right.add(refusal(seconds))
    left.merge(right)
    assert (left.walls, left.events_total, left.untimed) == (whole.walls, whole.events_total, whole.untimed)
    assert {key: cell.count for key, cell in left.cells.items()} == {
        key: cell.count for key, cell in whole.cells.items()
    }
