"""The closed forms against ciw, a discrete-event simulation library: open and finite population, within 5 %."""

from __future__ import annotations

import ciw
import pytest

from slotwise.capacity.queueing import wait_finite, wait_open

SERVICE = 0.1


def simulated_open(slots: int, rate: float, until: float, seed: int) -> list[float]:
    ciw.seed(seed)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=rate)],
        service_distributions=[ciw.dists.Exponential(rate=1 / SERVICE)],
        number_of_servers=[slots],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(until)
    return [record.waiting_time for record in simulation.get_all_records() if record.arrival_date > until / 20]


def simulated_finite(slots: int, clients: int, pause: float, until: float, seed: int) -> list[float]:
    """``clients`` circle for ever between thinking (a server each) and the pool."""
    ciw.seed(seed)
    network = ciw.create_network(
        arrival_distributions=[
            ciw.dists.Sequential([0.001, 1e9]),
            None,
        ],
        batching_distributions=[ciw.dists.Sequential([clients, 0]), ciw.dists.Deterministic(1)],
        service_distributions=[ciw.dists.Exponential(rate=1 / pause), ciw.dists.Exponential(rate=1 / SERVICE)],
        number_of_servers=[float("inf"), slots],
        routing=[[0.0, 1.0], [1.0, 0.0]],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(until)
    records = simulation.get_all_records()
    return [one.waiting_time for one in records if one.node == 2 and one.arrival_date > until / 20]


def share_waiting(waits: list[float]) -> float:
    return sum(wait > 1e-9 for wait in waits) / len(waits)


@pytest.mark.parametrize(("slots", "rate"), [(1, 5.0), (2, 14.0), (4, 30.0), (8, 64.0)])
def test_endless_clients(slots: int, rate: float) -> None:
    waits = simulated_open(slots, rate, 60_000 / rate, seed=slots)
    expected = wait_open(slots, rate, SERVICE)
    assert expected.mean_seconds is not None
    assert share_waiting(waits) == pytest.approx(expected.wait_probability, rel=0.05)
    assert sum(waits) / len(waits) == pytest.approx(expected.mean_seconds, rel=0.05)


@pytest.mark.parametrize(
    ("slots", "clients", "pause"), [(1, 4, 0.3), (3, 8, 0.1), (5, 10, 0.1), (6, 12, 0.15), (10, 22, 0.1)]
)
def test_few_clients(slots: int, clients: int, pause: float) -> None:
    waits = simulated_finite(slots, clients, pause, 60_000 * (SERVICE + pause) / clients, seed=clients)
    expected = wait_finite(slots, clients, SERVICE, pause)
    assert expected.mean_seconds is not None
    assert expected.p95_seconds is not None
    assert share_waiting(waits) == pytest.approx(expected.wait_probability, rel=0.05)
    assert sum(waits) / len(waits) == pytest.approx(expected.mean_seconds, rel=0.05)
    assert sorted(waits)[int(0.95 * len(waits))] == pytest.approx(expected.p95_seconds, rel=0.05)
