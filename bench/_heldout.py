"""The forecast on histories that were written without sight of it (tests/forecast/heldout.py), for bench.forecast."""

from __future__ import annotations

from multiprocessing.pool import Pool

from bench._unseen import FIRST_HOUR, HOUR, Found, begun, errors, eta
from slotwise.forecast.series import Sample
from tests.forecast import heldout
from tests.forecast.heldout import FAMILIES, LEAKS, SEEDS


def run(pool: Pool) -> tuple[list[Found], list[Found], list[Found]]:
    """Quiet histories (the quiet days before a leak among them), leaks of one an hour, times to the last slot."""
    quiet = pool.starmap(_quiet, [(family, seed) for family in FAMILIES for seed in SEEDS], 1)
    leaks = pool.map(_leaking, range(len(LEAKS)), 1)
    before = [found for found, _, _ in leaks]
    slow = [found for _, found, _ in leaks if found is not None]
    fast = [found for _, _, found in leaks if found is not None]
    return [*quiet, *before], slow, fast


def _quiet(family: str, seed: int) -> Found:
    history = heldout.quiet(family, seed)
    hours = history.days * 24
    return Found(family, begun(history.samples, hours, history.limit), (hours - FIRST_HOUR) / 24)


def _leaking(number: int) -> tuple[Found, Found | None, Found | None]:
    history = heldout.leaking(*LEAKS[number])
    start = history.leak_from
    assert start is not None
    calm = [sample for sample in history.samples if sample.at < start]
    alarms = begun(calm, start / HOUR, history.limit)
    quiet = Found("the days before a leak", alarms, (start / HOUR - FIRST_HOUR) / 24)
    name = f"{history.name}, hard to see" if history.hard else history.name
    slow = fast = None
    if history.rate_per_hour == 1:
        slow = Found(name, hours=_hours(history, start))
    if history.meets is not None:
        end = Sample(history.meets, history.limit)
        fast = Found(name, errors=errors(history.samples, [end], start, history.limit))
    return quiet, slow, fast


def _hours(history: heldout.History, start: float) -> float:
    """Hours until a forecast; what was said before the leak began is no finding, nor what is said at the wall."""
    if eta(history.samples, start, history.limit) is not None:
        return float("inf")
    last = history.meets if history.meets is not None else history.samples[-1].at
    for half_hours in range(1, 97):
        now = start + half_hours * HOUR / 2
        if now < last and eta(history.samples, now, history.limit) is not None:
            return half_hours / 2
    return float("inf")
