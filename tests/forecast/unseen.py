"""Histories that no threshold of the forecast was tuned on: other shapes, other noise, made by other code.

Written after the thresholds, and left as they were whatever the forecast said of them. Counts every five minutes from a
Monday's midnight; times in seconds from there. ``recorded`` are weeks of a stand-in of Odoo on a real PostgreSQL
(tools/record_histories.py).
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

from slotwise.forecast.series import Sample

HOUR, DAY = 3600.0, 86400.0
EVERY = 300.0
RECORDED = Path(__file__).parent / "recorded"

Shape = Callable[[float], float]
"""Sessions at a moment, without noise."""
Noise = Callable[[random.Random], Callable[[], float]]
"""Makes a noise that remembers what it gave last."""


def drifting(chance: random.Random) -> Callable[[], float]:
    """Wanders around 0 for about two hours at a time, some 4 up or down."""
    state = [0.0]

    def next_one() -> float:
        state[0] = state[0] * 0.96 + chance.gauss(0, 1.1)
        return state[0]

    return next_one


def heavy_tailed(chance: random.Random) -> Callable[[], float]:
    """Now and then a burst of ten minutes to an hour, mostly small and sometimes of 40."""
    left = [0, 0.0]

    def next_one() -> float:
        if left[0] <= 0 and chance.random() < 0.02:
            left[:] = [chance.randrange(2, 12), min(40.0, 3.0 * chance.paretovariate(1.2))]
        left[0] -= 1
        return chance.gauss(0, 0.7) + (left[1] if left[0] > 0 else 0.0)

    return next_one


def plain(chance: random.Random) -> Callable[[], float]:
    """Scatter of one session."""
    return lambda: chance.gauss(0, 1.0)


def hump(at: float, begin: float, end: float) -> float:
    """0 to 1 and back between two hours of the day."""
    hour = at % DAY / HOUR
    return math.sin((hour - begin) / (end - begin) * math.pi) ** 0.7 if begin < hour < end else 0.0


def weekday(at: float) -> bool:
    """Monday to Friday."""
    return int(at // DAY) % 7 < 5


def two_humps(at: float) -> float:
    """Before and after lunch, Mondays the highest."""
    factor = (1.3, 1.0, 1.0, 1.0, 0.9, 0.3, 0.1)[int(at // DAY) % 7]
    return 15 + 25 * factor * (hump(at, 7.5, 12.5) + hump(at, 13, 18.5))


def month_end(at: float) -> float:
    """Three days of half as much work again."""
    return 15 + 28 * hump(at, 7, 19) * (1.6 if 9 <= at / DAY < 12 else 1.0) * (1.0 if weekday(at) else 0.1)


def holiday(at: float) -> float:
    """Three days without work in the second week."""
    away = 8 <= at / DAY < 11
    return 14 + (0 if away or not weekday(at) else 35 * hump(at, 7, 19))


def clocks_change(at: float) -> float:
    """Summer time begins: the day is an hour earlier from the seventh day on."""
    return 18 + 30 * hump(at + (HOUR if at >= 6 * DAY else 0), 8, 19)


def two_sites(at: float) -> float:
    """Europe and America in one server."""
    return 16 + 22 * hump(at, 7, 18) + 20 * hump(at - 8 * HOUR, 7, 18)


def sunday_batch(at: float) -> float:
    """Six hours of batch work every Sunday."""
    sunday = int(at // DAY) % 7 == 6
    return 20 + (30 * hump(at, 10, 16) if sunday else 20 * hump(at, 8, 18) * weekday(at))


def moving_backup(at: float) -> float:
    """A backup of an hour that begins each night at another time between midnight and five."""
    begin = (int(at // DAY) * 37 % 50) / 10
    return 20 + 20 * hump(at, 8, 18) * weekday(at) + (25 if begin <= at % DAY / HOUR < begin + 1 else 0)


def more_workers(at: float) -> float:
    """Twelve more sessions from ten o'clock of the ninth day on, in the middle of the morning's rise."""
    return 18 + 25 * hump(at, 7, 19) * weekday(at) + (12 if at >= 8 * DAY + 10 * HOUR else 0)


def backlog(at: float) -> float:
    """A queue of jobs that grows for four hours of one day and drains in four more."""
    since = (at - (9 * DAY + 9 * HOUR)) / HOUR
    piled = 20 * max(0.0, 1 - abs(since - 4) / 4) if 0 < since < 8 else 0.0
    return 18 + 18 * hump(at, 7, 19) * weekday(at) + piled


def weekly_restart(at: float) -> float:
    """Warms up by eight sessions in the half day after each Sunday's restart."""
    warm = min(1.0, (at % (7 * DAY)) / (12 * HOUR))
    return 12 + 8 * warm + 22 * hump(at, 7, 19) * weekday(at)


def night_shift(at: float) -> float:
    """Work by night, over midnight."""
    return 15 + 30 * max(hump(at, 20, 30), hump(at + DAY / 2, 8, 18) if at % DAY < 6 * HOUR else 0.0)


def new_users(at: float) -> float:
    """Each day's peak is 2 % above that of the day before; the nights stay as they are."""
    return 15 + 25 * 1.02 ** int(at // DAY) * hump(at, 7, 19)


QUIET: dict[str, tuple[Shape, Noise]] = {
    "lunch break, Mondays high": (two_humps, plain),
    "lunch break, drifting": (two_humps, drifting),
    "month's end": (month_end, plain),
    "holiday": (holiday, plain),
    "summer time": (clocks_change, plain),
    "two sites": (two_sites, drifting),
    "Sunday batch": (sunday_batch, plain),
    "backup at another time each night": (moving_backup, plain),
    "more workers in the morning": (more_workers, plain),
    "backlog of jobs for four hours": (backlog, plain),
    "weekly restart, warming up": (weekly_restart, plain),
    "night shift": (night_shift, plain),
    "a little more each day": (new_users, plain),
    "heavy-tailed bursts": (two_humps, heavy_tailed),
    "drifting, no season": (lambda at: 30.0, drifting),
}
LEAKING: dict[str, tuple[Shape, Noise]] = {
    "lunch break": (two_humps, plain),
    "drifting": (two_sites, drifting),
    "heavy-tailed bursts": (two_humps, heavy_tailed),
    "backup at another time each night": (moving_backup, plain),
    "holiday in the weeks before": (holiday, plain),
}


def unseen(
    shape: Shape, noise: Noise, seed: int, days: float, *, leak_per_hour: float = 0.0, leak_from: float = 0.0
) -> list[Sample]:
    """The counts of ``days``, with a leak of ``leak_per_hour`` from ``leak_from`` on."""
    chance = random.Random(f"unseen {seed}")
    jitter = noise(chance)
    samples = []
    for number in range(int(days * DAY / EVERY)):
        at = number * EVERY
        leaked = math.floor(max(0.0, at - leak_from) / HOUR * leak_per_hour) if leak_per_hour else 0
        samples.append(Sample(at, float(max(0, round(shape(at) + jitter()) + leaked))))
    return samples


def recorded(name: str) -> list[Sample]:
    """A recorded week. Names: quiet, leak, recycled, second-database."""
    document = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return [Sample(n * document["step_seconds"], float(used)) for n, used in enumerate(document["used"])]
