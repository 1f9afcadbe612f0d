"""Waiting for a slot: Erlang's formulas for many clients, and the exact one for a handful of Odoo processes.

``offered`` is the mean number of transactions that would be under way if nobody ever waited: arrival rate times service
time (Little). ``slots`` is how many can be under way at once. Times are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

_EXACT_ENOUGH = 1e-9

MOST_EXACT_CLIENTS = 2_000
"""Clients up to which the finite population is computed; above it endless clients are the same to many digits."""

MOST_EXACT_SLOTS = 20_000
"""Slots up to which Erlang's recursion runs; above it its limit for many servers stands in (Halfin and Whitt 1981)."""


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """What waiting for a slot looks like. None means that the queue grows without bound: there is no such time.

    ``wait_probability``: share of transactions that wait at all. ``mean_seconds``, ``p50_seconds`` and so on: wait of
    all transactions, those that wait zero included.
    """

    slots: int
    utilization_ratio: float
    wait_probability: float
    mean_seconds: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None


def erlang_b(slots: int, offered: float) -> float:
    """Probability that all ``slots`` are busy when the blocked go away (Erlang 1917), by the stable recursion."""
    blocked = 1.0
    for slot in range(1, slots + 1):
        blocked = offered * blocked / (slot + offered * blocked)
    return blocked


def erlang_c(slots: int, offered: float) -> float:
    """Probability that a transaction waits in M/M/c: 0 without load, 1 from saturation on."""
    if offered <= 0:
        return 0.0
    if slots <= offered:
        return 1.0
    if slots > MOST_EXACT_SLOTS:
        slack = (slots - offered) / math.sqrt(offered)
        if slack > 30:
            return 0.0
        density = math.exp(-slack * slack / 2) / math.sqrt(2 * math.pi)
        below = (1 + math.erf(slack / math.sqrt(2))) / 2
        return 1 / (1 + slack * below / density)
    blocked = erlang_b(slots, offered)
    return blocked / (1 - (offered / slots) * (1 - blocked))


def wait_open(slots: int, arrivals_per_second: float, service_seconds: float) -> Wait:
    """M/M/c: an endless stream of independent clients. Careful for Odoo, whose processes are few."""
    offered = arrivals_per_second * service_seconds
    waits = erlang_c(slots, offered)
    if slots <= offered and offered > 0:
        return Wait(
            slots=slots,
            utilization_ratio=1.0,
            wait_probability=1.0,
            mean_seconds=None,
            p50_seconds=None,
            p95_seconds=None,
            p99_seconds=None,
        )
    drain = service_seconds / (slots - offered) if slots > offered else 0.0

    def quantile(share: float) -> float:
        return 0.0 if waits <= 1 - share else math.log(waits / (1 - share)) * drain

    return Wait(
        slots=slots,
        utilization_ratio=offered / slots if slots else 0.0,
        wait_probability=waits,
        mean_seconds=waits * drain,
        p50_seconds=quantile(0.50),
        p95_seconds=quantile(0.95),
        p99_seconds=quantile(0.99),
    )


def occupancy(slots: int, clients: int, service_seconds: float, think_seconds: float) -> list[float]:
    """M/M/c//N: probability of 0, 1, … ``clients`` transactions being under way or waiting.

    ``clients`` processes each think for ``think_seconds`` and then need a slot for ``service_seconds`` on average. No
    slot, or no thinking, means that everybody is in the queue.
    """
    if clients <= 0:
        return [1.0]
    if service_seconds <= 0 or math.isinf(think_seconds):
        return [1.0] + [0.0] * clients
    if slots <= 0 or think_seconds <= 0:
        return [0.0] * clients + [1.0]
    log_ratio = math.log(service_seconds) - math.log(think_seconds)
    log_weight = [0.0]
    for busy in range(1, clients + 1):
        # As logarithms throughout: the ratio itself overflows where clients hardly think.
        log_weight.append(log_weight[-1] + math.log(clients - busy + 1) - math.log(min(busy, slots)) + log_ratio)
    highest = max(log_weight)
    weights = [math.exp(value - highest) for value in log_weight]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def wait_finite(slots: int, clients: int, service_seconds: float, think_seconds: float) -> Wait:
    """M/M/c//N: ``clients`` processes, each with at most one transaction wanted at a time.

    With at least as many slots as processes nobody ever waits, which Erlang C cannot see. A client that arrives sees
    the queue of the others (arrival theorem), so waits come from the occupancy of ``clients - 1``.
    """
    if clients <= 0 or service_seconds <= 0:
        return _no_wait(slots, 0.0)
    if slots <= 0:
        return wait_open(0, 1.0, service_seconds)
    if clients > MOST_EXACT_CLIENTS:
        if slots >= clients:
            return _no_wait(slots, min(1.0, clients * service_seconds / (service_seconds + think_seconds) / slots))
        return wait_open(slots, clients / (service_seconds + think_seconds), service_seconds)
    busy = occupancy(slots, clients, service_seconds, think_seconds)
    utilization = math.fsum(min(n, slots) * share for n, share in enumerate(busy)) / slots
    if slots >= clients:
        return _no_wait(slots, utilization)
    seen = occupancy(slots, clients - 1, service_seconds, think_seconds)
    waits = math.fsum(seen[slots:])
    mean = math.fsum((n - slots + 1) * share for n, share in enumerate(seen) if n >= slots) * service_seconds / slots

    def beyond(seconds: float) -> float:
        return _longer_than(seconds, seen, slots, service_seconds)

    return Wait(
        slots=slots,
        utilization_ratio=min(1.0, utilization),
        wait_probability=min(1.0, waits),
        mean_seconds=mean,
        p50_seconds=_quantile(0.50, waits, beyond, mean),
        p95_seconds=_quantile(0.95, waits, beyond, mean),
        p99_seconds=_quantile(0.99, waits, beyond, mean),
    )


def is_short(
    slots: int, clients: int, service_seconds: float, think_seconds: float, utilization: float, p99_seconds: float
) -> bool:
    """Whether the busy share and the p99 wait of M/M/c//N stay within these bounds. Quicker than wait_finite."""
    busy = occupancy(slots, clients, service_seconds, think_seconds)
    if math.fsum(min(n, slots) * share for n, share in enumerate(busy)) / slots > utilization:
        return False
    if slots >= clients:
        return True
    seen = occupancy(slots, clients - 1, service_seconds, think_seconds)
    return _longer_than(p99_seconds, seen, slots, service_seconds) <= 0.01


def think_seconds(clients: int, arrivals_per_second: float, service_seconds: float) -> float:
    """Pause of each client between transactions that makes ``clients`` bring ``arrivals_per_second`` if none waits.

    0 when they cannot bring as much: then each asks again at once. Infinite without arrivals.
    """
    if arrivals_per_second <= 0:
        return math.inf
    return max(0.0, clients / arrivals_per_second - service_seconds)


def _no_wait(slots: int, utilization: float) -> Wait:
    return Wait(
        slots=slots,
        utilization_ratio=utilization,
        wait_probability=0.0,
        mean_seconds=0.0,
        p50_seconds=0.0,
        p95_seconds=0.0,
        p99_seconds=0.0,
    )


def _longer_than(seconds: float, seen: list[float], slots: int, service_seconds: float) -> float:
    """P(wait > seconds): whoever finds n in front waits for n - slots + 1 departures, each at rate slots/service."""
    departures = slots * seconds / service_seconds
    if departures > 700:
        return 0.0
    term = math.exp(-departures)
    fewer = 0.0
    total = 0.0
    for step, n in enumerate(range(slots, len(seen))):
        fewer += term
        term *= departures / (step + 1)
        total += seen[n] * fewer
    return total


def _quantile(share: float, waits: float, beyond: Callable[[float], float], mean: float) -> float:
    """Smallest time that only 1 - share of the transactions wait longer than, by bisection."""
    if waits <= 1 - share + _EXACT_ENOUGH:
        return 0.0
    low, high = 0.0, max(mean, 1e-6)
    while beyond(high) > 1 - share:
        low, high = high, high * 2
    for _ in range(60):
        middle = (low + high) / 2
        if beyond(middle) > 1 - share:
            low = middle
        else:
            high = middle
    return high
