from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from slotwise.forecast.leaks import HOUR, WARM_UP_SECONDS, Growth, Holding, growth

Count = Callable[[float], float]
START = 1000.0


def life(
    hours: float,
    base: Count,
    *,
    load: Count | None = lambda h: 2.0,
    seed: int = 0,
    databases: int = 1,
    every: float = 60,
) -> list[Holding]:
    """A process that holds ``base(hour)`` connections on each of its databases, give or take one."""
    chance = random.Random(seed)
    found = []
    for n in range(int(hours * HOUR / every)):
        hour = n * every / HOUR
        by_database = {f"db{d}": max(0, math.floor(base(hour)) + chance.choice((0, 0, 0, 1))) for d in range(databases)}
        active = None if load is None else max(0.0, load(hour) + chance.choice((-1, 0, 0, 1)))
        found.append(Holding(START + n * every, by_database, active))
    return found


@pytest.mark.parametrize("rate", [1.0, 4.0, 30.0])
@pytest.mark.parametrize("seed", range(3))
def test_growth_at_flat_load_is_a_leak_with_its_slope(rate: float, seed: int) -> None:
    said = growth(life(12 if rate < 2 else 4, lambda h: 4 + rate * h, seed=seed), START)
    assert said.cause == "leak", said
    assert said.per_hour == pytest.approx(rate, rel=0.15)
    assert said.low_per_hour is not None and said.high_per_hour is not None
    assert said.low_per_hour <= said.per_hour <= said.high_per_hour


@pytest.mark.parametrize(
    ("cause", "holdings"),
    [
        ("flat", life(12, lambda h: 5)),
        ("flat", life(12, lambda h: 5 + 3 * math.sin(h))),
        ("warm-up", life(8, lambda h: 12 * (1 - math.exp(-h / 2.0)))),
        ("warm-up", life(1.2, lambda h: 4 + 8 * h)),
        ("more load", life(8, lambda h: 3 + 3 * h, load=lambda h: 2 + 3 * h)),
        ("more load", life(10, lambda h: 3 + 3 * min(h, 6), load=lambda h: 2 + 3 * min(h, 6))),
        ("unknown", life(12, lambda h: 4 + 2 * h, load=None)),
        ("unknown", []),
    ],
)
def test_what_grows_for_another_reason_is_no_leak(cause: str, holdings: list[Holding]) -> None:
    assert growth(holdings, START).cause == cause


def test_one_database_after_the_other_is_no_leak_and_a_leak_beside_it_is() -> None:
    def serving(leak_per_hour: float) -> list[Holding]:
        plain = life(10, lambda h: 3 + leak_per_hour * h)
        return [
            structs.replace(
                h, by_database={**h.by_database, **{f"new{n}": 3 for n in range(int((h.at - START) / HOUR))}}
            )
            for h in plain
        ]

    assert growth(serving(0), START).cause == "more databases"
    said = growth(serving(2.0), START)
    assert said.cause == "leak" and said.per_hour == pytest.approx(2.0, rel=0.2)


def test_a_leak_that_goes_on_after_the_load_has_settled_is_found() -> None:
    said = growth(life(12, lambda h: 3 + 2 * h, load=lambda h: 2 + 3 * min(h, 3)), START)
    assert said.cause == "leak" and said.per_hour == pytest.approx(2.0, rel=0.2)
    assert said.since is not None and said.since >= START + 2 * HOUR


@settings(max_examples=40, deadline=None)
@given(rate=st.floats(1.5, 40), base=st.integers(0, 20), seed=st.integers(0, 999), shift=st.integers(0, 10**9))
def test_a_leak_is_one_wherever_it_starts_and_whenever(rate: float, base: int, seed: int, shift: int) -> None:
    held = life(8, lambda h: base + rate * h, seed=seed, every=120)
    moved = [structs.replace(h, at=h.at + shift) for h in held]
    said = growth(moved, START + shift)
    assert said.cause == "leak" and said.per_hour == pytest.approx(rate, rel=0.25)
    random.Random(seed).shuffle(moved)
    assert growth(moved, START + shift) == said


@settings(max_examples=40, deadline=None)
@given(base=st.integers(0, 60), seed=st.integers(0, 999), swing=st.floats(0, 10), hours=st.floats(0.1, 48))
def test_a_process_that_does_not_grow_never_leaks(base: int, seed: int, swing: float, hours: float) -> None:
    held = life(hours, lambda h: base + swing * math.sin(h * 1.7 + seed), seed=seed, every=300)
    assert growth(held, START).cause != "leak"


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e6),
            st.dictionaries(st.sampled_from("abc"), st.integers(0, 500)),
            st.one_of(st.none(), st.floats(0, 500)),
        ),
        max_size=60,
    ),
    st.one_of(st.none(), st.floats(0, 1e6)),
)
def test_any_life_is_taken(rows: list[tuple[float, dict[str, int], float | None]], started: float | None) -> None:
    said = growth([Holding(*row) for row in rows], started)
    assert isinstance(said, Growth)
    assert (said.cause == "leak") == (said.per_hour is not None)
    assert said.per_hour is None or said.per_hour > 0


def test_the_first_half_hour_is_forgiven() -> None:
    held = life(6, lambda h: min(20, 40 * h))
    assert growth(held, START).cause == "flat"
    assert WARM_UP_SECONDS == 1800
