"""The closed forms: known values, edges, monotony."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.capacity import queueing
from slotwise.capacity.queueing import erlang_b, erlang_c, is_short, occupancy, think_seconds, wait_finite, wait_open


@pytest.mark.parametrize(
    ("rate", "service", "slots", "waits", "mean_ms", "p99_ms"),
    [
        (20, 0.1, 3, 0.44, 44, 379), (20, 0.1, 5, 0.06, 2.0, 60), (50, 0.1, 7, 0.32, 16, 174),
        (100, 0.1, 13, 0.29, 9.5, 112), (100, 0.25, 30, 0.25, 12.5, 161), (200, 0.25, 63, 0.05, 1.0, 31),
    ],
)  # fmt: skip
def test_worked_values(rate: float, service: float, slots: int, waits: float, mean_ms: float, p99_ms: float) -> None:
    found = wait_open(slots, rate, service)
    assert found.wait_probability == pytest.approx(waits, abs=0.006)
    assert found.mean_seconds is not None
    assert found.p99_seconds is not None
    assert found.mean_seconds * 1000 == pytest.approx(mean_ms, rel=0.03)
    assert found.p99_seconds * 1000 == pytest.approx(p99_ms, rel=0.01)


def test_one_slot_is_m_m_1() -> None:
    assert erlang_b(1, 1.0) == pytest.approx(0.5)
    assert erlang_c(1, 0.5) == pytest.approx(0.5)
    found = wait_open(1, 5.0, 0.1)
    assert found.mean_seconds == pytest.approx(0.1)


def test_edges_make_sense() -> None:
    idle = wait_open(4, 0.0, 0.1)
    assert (idle.utilization_ratio, idle.wait_probability, idle.p99_seconds) == (0.0, 0.0, 0.0)
    full = wait_open(4, 40.0, 0.1)
    assert (full.utilization_ratio, full.wait_probability, full.mean_seconds) == (1.0, 1.0, None)
    nearly = wait_open(4, 39.999, 0.1)
    assert nearly.p99_seconds is not None
    assert nearly.p99_seconds > 10
    assert wait_open(0, 1.0, 0.1).p50_seconds is None
    assert wait_finite(0, 3, 0.1, 0.1).p50_seconds is None
    assert wait_finite(3, 0, 0.1, 0.1).p99_seconds == 0.0
    assert wait_finite(1, 1, 0.1, 0.1).p99_seconds == 0.0
    assert wait_finite(3, 10, 0.1, 0.0).utilization_ratio == 1.0
    assert think_seconds(10, 0.0, 0.1) == math.inf
    assert think_seconds(10, 1000.0, 0.1) == 0.0
    assert wait_finite(2, 5, 0.1, math.inf).wait_probability == 0.0
    assert occupancy(3, 0, 0.1, 0.1) == [1.0]


def test_many_servers_go_over_without_a_jump() -> None:
    slots = queueing.MOST_EXACT_SLOTS
    offered = slots - 1.0 * math.sqrt(slots)
    exact, limit = erlang_c(slots, offered), erlang_c(slots + 1, offered + 1)
    assert limit == pytest.approx(exact, rel=0.02)


@given(st.integers(1, 60), st.integers(1, 80), st.floats(0.001, 5), st.floats(0.0, 50))
def test_a_finite_population_is_never_nonsense(slots: int, clients: int, service: float, pause: float) -> None:
    found = wait_finite(slots, clients, service, pause)
    assert 0 <= found.wait_probability <= 1
    assert 0 <= found.utilization_ratio <= 1
    assert found.p50_seconds is not None
    assert found.p95_seconds is not None
    assert found.p99_seconds is not None
    assert 0 <= found.p50_seconds <= found.p95_seconds <= found.p99_seconds < math.inf
    assert math.fsum(occupancy(slots, clients, service, pause)) == pytest.approx(1.0)
    if slots >= clients:
        assert found.p99_seconds == 0.0


@given(st.integers(1, 40), st.integers(2, 60), st.floats(0.01, 1), st.floats(0.01, 5))
def test_a_larger_pool_never_waits_longer(slots: int, clients: int, service: float, pause: float) -> None:
    smaller, larger = wait_finite(slots, clients, service, pause), wait_finite(slots + 1, clients, service, pause)
    assert smaller.p99_seconds is not None
    assert larger.p99_seconds is not None
    assert larger.p99_seconds <= smaller.p99_seconds + 1e-9
    assert larger.wait_probability <= smaller.wait_probability + 1e-12


@given(st.integers(1, 30), st.integers(1, 60), st.floats(0.01, 1), st.floats(0.01, 5))
def test_the_quick_answer_is_the_long_one(slots: int, clients: int, service: float, pause: float) -> None:
    full = wait_finite(slots, clients, service, pause)
    assert full.p99_seconds is not None
    if abs(full.utilization_ratio - 0.8) < 1e-6 or abs(full.p99_seconds - 0.25) < 1e-6:
        return
    assert is_short(slots, clients, service, pause, 0.8, 0.25) == (
        full.utilization_ratio <= 0.8 and full.p99_seconds <= 0.25
    )
