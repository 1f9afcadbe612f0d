from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import pytest

from slotwise.forecast.lives import MOST_PROCESSES, MOST_SAID, Leaking, Lives, lives_of
from slotwise.snapshot.round import HolderCount, Round

HOUR = 3600.0
START = 1_700_000_000.0
LEAKER = 4121
Count = Callable[[float], float]


def holder(
    pid: int | None, count: int, state: str = "idle", database: str = "prod", owner: str = "known"
) -> HolderCount:
    return HolderCount("http_worker", pid, "python3", database, "odoo", "odoo", state, count, owner)


def rounds(
    hours: float,
    leaked: Count,
    *,
    active: Count = lambda h: 2.0,
    state: str = "idle in transaction",
    every: float = 60.0,
    usable: int | None = 97,
) -> Iterable[Round]:
    """Two workers that hold five each; one of them holds ``leaked(hour)`` more."""
    for n in range(int(hours * HOUR / every)):
        hour = n * every / HOUR
        more = math.floor(leaked(hour))
        busy = math.floor(active(hour))
        held = (holder(LEAKER, 5), holder(LEAKER, more, state), holder(4122, 5), holder(4122, busy, "active"))
        kept = tuple(h for h in held if h.count)
        yield Round(at=START + n * every, used=sum(h.count for h in kept), usable=usable, holders=kept)


def found(hours: float, leaked: Count, **more: object) -> tuple[Leaking, ...]:
    return lives_of(rounds(hours, leaked, **more)).leaking()  # type: ignore[arg-type]


def test_a_leak_at_flat_load_is_said_with_its_slope_and_the_time_of_the_last_slot() -> None:
    (said,) = found(8, lambda h: 1.2 * h)
    assert (said.name, said.count) == ("http_worker 4121", 14)
    assert said.per_hour == pytest.approx(1.2, rel=0.15)
    free = 97 - (5 + math.floor(1.2 * 8) + 5 + 2)
    assert said.last_slot_at == pytest.approx(START + 8 * HOUR + free / 1.2 * HOUR, rel=0, abs=12 * HOUR)


@pytest.mark.parametrize(
    ("leaked", "active"),
    [
        (lambda h: 0.0, lambda h: 2.0),
        (lambda h: 9 * (1 - math.exp(-h / 0.3)), lambda h: 2.0),
        (lambda h: 3 * h, lambda h: 2 + 3 * h),
    ],
    ids=["flat", "warm-up", "more load"],
)
def test_what_is_no_leak_is_not_said(leaked: Count, active: Count) -> None:
    assert found(6, leaked, active=active) == ()


def test_more_databases_are_no_leak() -> None:
    lives = Lives()
    for n in range(480):
        names = ("prod", *(f"new{d}" for d in range(n // 60)))
        held = tuple(holder(LEAKER, 3, database=name) for name in names)
        lives.add(Round(at=START + 60.0 * n, used=3 * len(names), usable=97, holders=(*held, holder(9, 2, "active"))))
    assert lives.leaking() == ()


def test_states_that_are_not_visible_make_no_leak() -> None:
    assert found(8, lambda h: 2 * h, state="not visible") == ()


def test_without_a_limit_the_leak_is_said_and_no_time() -> None:
    (said,) = found(8, lambda h: 2 * h, usable=None)
    assert said.last_slot_at is None and said.per_hour == pytest.approx(2, rel=0.15)


def test_another_process_with_the_same_pid_begins_anew() -> None:
    def starts(at: float) -> Mapping[int, float]:
        return {LEAKER: at, 4122: START - HOUR}

    lives = Lives()
    for number, round_ in enumerate(rounds(8, lambda h: 2 * h)):
        lives.add(round_, starts(START - HOUR if number < 470 else START + 470 * 60.0))
    assert lives.leaking() == ()


def test_a_history_from_before_the_process_began_is_not_its_own() -> None:
    lives = lives_of(rounds(8, lambda h: 2 * h))
    assert lives.leaking()
    now = START + 8 * HOUR
    lives.add(Round(at=now, used=31, usable=97, holders=(holder(LEAKER, 21),)), {LEAKER: now - 60})
    assert lives.leaking() == ()


def test_gaps_and_a_clock_that_was_set_back_say_nothing() -> None:
    lives = Lives()
    for number, round_ in enumerate(rounds(8, lambda h: 2 * h)):
        lives.add(round_)
        if number % 5 == 0:
            lives.add(Round(at=round_.at + 1, gap="restarting"))
            lives.add(Round(at=round_.at - 7200, used=1, usable=97, holders=(holder(LEAKER, 1),)))
    (said,) = lives.leaking()
    assert said.per_hour == pytest.approx(2, rel=0.15)


def test_five_minute_sums_are_taken_and_hours_are_not() -> None:
    sums = [
        Round(at=r.at, seconds=300.0, used=r.used, usable=97, holders=r.holders)
        for r in rounds(12, lambda h: 2 * h, every=300.0)
    ]
    assert [s.name for s in lives_of(sums).leaking()] == ["http_worker 4121"]
    hours = [Round(at=s.at, seconds=3600.0, used=s.used, usable=97, holders=s.holders) for s in sums]
    assert lives_of(hours).known_seconds == 0


def test_it_remembers_a_bounded_number_of_processes_and_says_few() -> None:
    lives = Lives()
    for n in range(140):
        held = tuple(holder(pid, 1 + n // 6) for pid in range(40))
        passing = tuple(holder(10_000 + n * 400 + k, 1) for k in range(400))
        lives.add(Round(at=START + 300.0 * n, used=500, usable=9000, holders=(*held, *passing, holder(9, 2, "active"))))
    assert len(lives._lives) <= 2 * MOST_PROCESSES + 400
    assert len(lives.leaking()) == MOST_SAID


def test_a_session_whose_owner_is_not_known_belongs_to_no_process() -> None:
    lives = Lives()
    for n in range(480):
        held = (holder(LEAKER, 1 + n // 30, owner="unknown"), holder(None, 1 + n // 30))
        lives.add(Round(at=START + 60.0 * n, used=40, usable=97, holders=held))
    assert lives.leaking() == ()
