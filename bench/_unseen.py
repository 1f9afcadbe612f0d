"""The forecast on histories that its thresholds were not tuned on (tests/forecast/unseen.py), for bench.forecast."""

from __future__ import annotations

import random
from collections.abc import Callable
from multiprocessing.pool import Pool
from statistics import median

from msgspec import Struct

from slotwise.forecast.saturation import forecast
from slotwise.forecast.series import Sample
from tests.forecast.unseen import DAY, EVERY, HOUR, LEAKING, QUIET, recorded, unseen

LIMIT = 97
DAYS = 14
FIRST_HOUR = 30
SEEDS = (11,)
RATES = (2.0, 6.0, 20.0)
PARTS_OF_THE_WAY = (0.35, 0.5, 0.65, 0.8)
RECORDED_QUIET = ("quiet", "recycled", "second-database")
RECORDED_LEAK_FROM = 5 * DAY
RECORDED_LIMIT = 50


class Found(Struct, frozen=True):
    """One history's figures: false alarms and the days they were counted in; or hours until it was found; or errors."""

    name: str
    alarms: int = 0
    days: float = 0.0
    hours: float = 0.0
    errors: tuple[float, ...] = ()


def run(pool: Pool) -> tuple[list[Found], list[Found], list[Found]]:
    """Quiet histories, slow leaks, and times to the last slot."""
    quiet = pool.starmap(_quiet, [(name, seed) for name in QUIET for seed in SEEDS])
    quiet += pool.map(_recorded_quiet, RECORDED_QUIET)
    slow = pool.starmap(_slow, [(name, seed) for name in LEAKING for seed in SEEDS])
    slow.append(_recorded_leak())
    fast = pool.starmap(_fast, [(name, rate, seed) for name in LEAKING for rate in RATES for seed in SEEDS])
    fast.append(_recorded_errors())
    return quiet, slow, fast


def begun(samples: list[Sample], hours: float, limit: float) -> int:
    """How often a confirmed growth began to be reported, looked at every hour."""
    begun, before = 0, False
    for hour in range(FIRST_HOUR, int(hours) + 1):
        alarm = eta(samples, hour * HOUR, limit) is not None
        begun += alarm and not before
        before = alarm
    return begun


def eta(samples: list[Sample], now: float, limit: float) -> float | None:
    said = forecast([s for s in samples if s.at <= now], limit)
    return said.eta_seconds if said.trend == "growing" and said.certainty == "confirmed" else None


def _quiet(name: str, seed: int) -> Found:
    shape, noise = QUIET[name]
    samples = unseen(shape, noise, seed, DAYS)
    return Found(name, begun(samples, DAYS * 24, LIMIT), DAYS - FIRST_HOUR / 24)


def _recorded_quiet(name: str) -> Found:
    samples = recorded(name)
    hours = samples[-1].at / HOUR
    return Found(f"recorded: {name}", begun(samples, hours, RECORDED_LIMIT), (hours - FIRST_HOUR) / 24)


def _slow(name: str, seed: int) -> Found:
    shape, noise = LEAKING[name]
    start = 9 * DAY + seed * 5 * HOUR
    samples = unseen(shape, noise, seed, start / DAY + 2, leak_per_hour=1.0, leak_from=start)
    return Found(name, hours=_hours(samples, start, LIMIT))


def _recorded_leak() -> Found:
    return Found("recorded: leak", hours=_hours(recorded("leak"), RECORDED_LEAK_FROM, RECORDED_LIMIT))


def _hours(samples: list[Sample], start: float, limit: float) -> float:
    for half_hours in range(1, 97):
        if eta(samples, start + half_hours * HOUR / 2, limit) is not None:
            return half_hours / 2
    return float("inf")


def _fast(name: str, rate: float, seed: int) -> Found:
    shape, noise = LEAKING[name]
    start = 5 * DAY + seed * 3 * HOUR
    days = start / DAY + 97 / rate / 24 + 0.2
    samples = unseen(shape, noise, seed, days, leak_per_hour=rate, leak_from=start)
    calm = unseen(shape, _silent, seed, days, leak_per_hour=rate, leak_from=start)
    return Found(f"{rate:g} an hour, {name}", errors=errors(samples, calm, start, LIMIT))


def _recorded_errors() -> Found:
    samples = recorded("leak")
    return Found("recorded: leak", errors=errors(samples, samples, RECORDED_LEAK_FROM, RECORDED_LIMIT))


def _silent(chance: random.Random) -> Callable[[], float]:
    return lambda: 0.0


def errors(samples: list[Sample], calm: list[Sample], start: float, limit: float) -> tuple[float, ...]:
    end = next((s.at for s in calm if s.at > start and (s.used or 0) >= limit), calm[-1].at + EVERY)
    found = []
    for part in PARTS_OF_THE_WAY:
        now = start + (end - start) * part
        said = eta(samples, now, limit)
        found.append(1.0 if said is None else abs(said - (end - now)) / (end - now))
    return tuple(found)


def by_name(found: list[Found]) -> dict[str, list[Found]]:
    """The histories of each kind."""
    return {name: [f for f in found if f.name == name] for name in dict.fromkeys(f.name for f in found)}


def per_month(found: list[Found]) -> float:
    """False alarms in 30 days."""
    return sum(f.alarms for f in found) / sum(f.days for f in found) * 30


def median_error(found: list[Found]) -> float:
    """Over every history and part of the way."""
    return median(error for f in found for error in f.errors)
