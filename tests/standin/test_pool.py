"""Odoo's borrow rules, without a server: odoo/sql_db.py ConnectionPool."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.standin.connection import OperationalError
from slotwise.standin.pool import ConnectionPool, PoolFull

PROD = {"dbname": "prod", "application_name": "odoo-1"}
TEST = {"dbname": "test", "application_name": "odoo-1"}


class FakeConnection:
    def __init__(self, parameters: Mapping[str, str]) -> None:
        self.parameters = dict(parameters)
        self.leaked = False
        self.closed = False
        self.resets = 0
        self.dead = False

    def reset(self) -> None:
        if self.dead:
            raise OperationalError("server closed the connection unexpectedly")
        self.resets += 1

    def close(self) -> None:
        self.closed = True


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def pool_of(maximum: int, clock: Clock | None = None) -> ConnectionPool[FakeConnection]:
    return ConnectionPool(maximum, connect=FakeConnection, clock=clock or Clock(), idle_timeout_seconds=600)


def test_a_kept_connection_is_lent_again_after_a_reset() -> None:
    pool = pool_of(4)
    first = pool.borrow(PROD)
    pool.give_back(first, keep=True)
    assert pool.borrow(PROD) is first
    assert first.resets == 1
    assert pool.count == 1


def test_one_that_is_not_kept_is_closed() -> None:
    pool = pool_of(4)
    short = pool.borrow({"dbname": "postgres"})
    pool.give_back(short, keep=False)
    assert short.closed
    assert pool.count == 0


@pytest.mark.parametrize("other", [TEST, {**PROD, "application_name": "odoo-2"}])
def test_another_database_or_application_name_is_another_connection(other: dict[str, str]) -> None:
    pool = pool_of(4)
    first = pool.borrow(PROD)
    pool.give_back(first, keep=True)
    assert pool.borrow(other) is not first
    assert pool.count == 2


def test_the_password_does_not_count() -> None:
    pool = pool_of(4)
    first = pool.borrow({**PROD, "password": "old"})
    pool.give_back(first, keep=True)
    assert pool.borrow({**PROD, "password": "new"}) is first


def test_an_idle_one_outlives_its_time_until_somebody_borrows() -> None:
    clock = Clock()
    pool = pool_of(4, clock)
    old = pool.borrow(PROD)
    pool.give_back(old, keep=True)
    clock.seconds = 601
    assert not old.closed
    pool.borrow(TEST)
    assert old.closed
    assert pool.count == 1


def test_a_borrowed_one_never_ages() -> None:
    clock = Clock()
    pool = pool_of(4, clock)
    held = pool.borrow(PROD)
    clock.seconds = 10_000
    pool.borrow(TEST)
    assert not held.closed


def test_at_the_limit_the_oldest_idle_one_goes() -> None:
    pool = pool_of(2)
    first, second = pool.borrow(PROD), pool.borrow(TEST)
    pool.give_back(second, keep=True)
    pool.give_back(first, keep=True)
    pool.borrow({"dbname": "third"})
    assert (first.closed, second.closed) == (True, False)


def test_all_borrowed_is_an_error_at_once() -> None:
    pool = pool_of(1)
    pool.borrow(PROD)
    with pytest.raises(PoolFull, match="The Connection Pool Is Full"):
        pool.borrow(PROD)


def test_a_dead_one_is_found_at_the_reset_and_replaced() -> None:
    pool = pool_of(4)
    first = pool.borrow(PROD)
    pool.give_back(first, keep=True)
    first.dead = True
    assert pool.borrow(PROD) is not first
    assert first.closed


def test_a_leaked_one_is_free_for_the_next_borrow() -> None:
    pool = pool_of(4)
    forgotten = pool.borrow(PROD)
    forgotten.leaked = True
    assert pool.borrow(PROD) is forgotten


def test_close_all_takes_borrowed_ones_too_but_only_those_meant() -> None:
    pool = pool_of(4)
    mine = pool.borrow(PROD)
    masters = pool.borrow({**PROD, "application_name": "odoo-9"})
    assert pool.close_all(PROD) == 1
    assert (mine.closed, masters.closed) == (True, False)
    with pytest.raises(LookupError):
        pool.give_back(mine, keep=True)


def test_its_name_in_the_log() -> None:
    pool = pool_of(64)
    pool.borrow(PROD)
    pool.give_back(pool.borrow(TEST), keep=True)
    assert repr(pool) == "ConnectionPool(read/write;used=1/count=2/max=64)"


@given(
    maximum=st.integers(0, 5),
    steps=st.lists(st.tuples(st.sampled_from(["borrow", "give back", "wait"]), st.integers(0, 3)), max_size=60),
)
def test_the_limit_holds_and_nothing_borrowed_is_ever_closed(maximum: int, steps: list[tuple[str, int]]) -> None:
    clock = Clock()
    pool = pool_of(maximum, clock)
    borrowed: list[FakeConnection] = []
    for step, number in steps:
        if step == "wait":
            clock.seconds += number * 300
        elif step == "give back" and borrowed:
            pool.give_back(borrowed.pop(number % len(borrowed)), keep=number != 3)
        elif step == "borrow":
            try:
                borrowed.append(pool.borrow({"dbname": f"db{number}"}))
            except PoolFull:
                assert len(borrowed) == max(maximum, 1)
        assert pool.count <= max(maximum, 1)
        assert pool.used == len(borrowed)
        assert not any(connection.closed for connection in borrowed)
