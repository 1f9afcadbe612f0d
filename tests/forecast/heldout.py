"""Held-out histories to judge the forecast by: 39 quiet ones and 21 leaks, simulated from what holds a connection.

Nothing in the forecast may be chosen by what it says of these. Times in seconds from a Monday's midnight; the day
before is simulated and dropped, so that no history begins with empty pools. Parameters are drawn from seeded ranges.

What is simulated, and why so:

* HTTP workers (2 to 40) keep one or two connections to each database they served; a pooled connection is closed after
  600 s idle, but only when its process borrows again (Odoo 17 to 19, ``odoo/sql_db.py``, ``ConnectionPool.borrow``).
  So the count stays up after work and falls late and unevenly. Workers are recycled (limit_request, limit_memory_soft).
* Cron workers hold a LISTEN session each, and three more while an action runs and ten minutes after.
* The gevent process holds one LISTEN and the most websocket cursors of the last ten minutes: it follows the users.
* Other programs: a fixed number of sessions, some more that come and go, and now and then a heavy-tailed burst.
* Load: office hours with a lunch dip, days that differ by some percent, weekends and holidays, hardly any by night.

Quiet families (10 to 28 days, limit 50 to 500, at most 85 % of it used at the peak; SEEDS each):

* office: the above and nothing else, what most hosts look like.
* databases: 3 to 8 databases, of which the small ones are visited rarely: pools fill and empty in steps.
* backup: 4 to 16 sessions for one to three hours by night, begun up to two hours earlier or later each time.
* holidays: one to three single days off, sometimes a week: the season breaks and returns.
* deploys: one to three deploys with more or fewer workers and other sessions: steps, which are no growth.
* restarts: every two to seven days by night; the pools warm up with the next morning's work, which is no leak.
* gaps: two to six gaps of one to twenty hours in which nothing was counted.
* pooler: a pool's size caps what Odoo holds, so that the count is flat for hours and falls by night.
* growth: 1 to 4 % more users and other sessions a week, at most 70 % used at the end: the wall is weeks away.
* bursts: two to eight bursts a day (imports, mailings, reports).
* websockets: many users and few workers: the gevent process is the season.
* sites: a second site 6 to 12 hours later.
* forgetful: an addon forgets cursors, but every one of them goes with its worker in hours: bounded.

Leaks: each rate of RATES steady, in office hours only (the rate is the average over the week) and partly recycled (it
is what stays), with three more of one an hour; on the load of a quiet family without restarts, 5 to 9 days before it
begins at any hour, until the limit is met or five days have gone. Connections are forgotten at random (Poisson).

``hard``: in the first twelve hours the leak is less than one and a half times what the hour's lowest count differs from
that of the day before in nine cases of ten without it. Such are reported by themselves and counted too.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from slotwise.forecast.series import Sample

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
POOLED = 600.0
SEEDS = (1, 2, 3)
RATES = (0.5, 1.0, 2.0, 6.0, 20.0, 60.0)
MODES = ("steady", "office hours", "partly recycled")
LEAKS = tuple((rate, mode, 1) for rate in RATES for mode in MODES) + tuple((1.0, mode, 2) for mode in MODES)
"""Rate, mode and seed of each leaking history."""
LIMITS = (50, 57, 77, 97, 117, 147, 197, 247, 297, 397, 497, 500)


class Setting(Struct, frozen=True):
    """What a host is like: sessions are counts, hours are of the day or lengths, chances are 0 to 1."""

    workers: int
    cron: int
    others: int
    users: int
    opens: float
    closes: float
    lunch: float
    weekend: float
    requests_per_minute: float
    pair: float
    recycle_hours: float
    day_scatter: float
    databases: int = 1
    bursts_per_day: float = 0.3
    second_site: float = 0.0
    backup: tuple[float, float, int] | None = None
    """Usual hour, hours it takes, sessions."""
    holidays: frozenset[int] = frozenset()
    growth_per_week: float = 0.0
    restarts: tuple[tuple[float, int, int], ...] = ()
    """When, and how many workers and other sessions there are more or fewer from then on."""
    gaps: tuple[tuple[float, float], ...] = ()
    pool: int | None = None
    forgotten_per_hour: float = 0.0


class History(Struct, frozen=True):
    """Counts with their truth. ``leak_from`` is the first leaked connection, ``meets`` the first count at the limit."""

    name: str
    samples: list[Sample]
    limit: float
    days: float
    leak_from: float | None = None
    rate_per_hour: float = 0.0
    meets: float | None = None
    hard: bool = False


def ordinary(chance: random.Random) -> Setting:
    """A host with some 8 to 300 sessions by night."""
    base = math.exp(chance.uniform(math.log(8), math.log(300)))
    workers = min(40, max(2, round(base * chance.uniform(0.15, 0.4))))
    return Setting(
        workers=workers,
        cron=chance.randint(1, 4),
        others=max(2, round(base) - 2 * workers),
        users=round(workers * chance.uniform(3, 8)),
        opens=chance.uniform(6.0, 9.0),
        closes=chance.uniform(16.5, 20.5),
        lunch=chance.uniform(0.0, 0.5),
        weekend=chance.uniform(0.02, 0.4),
        requests_per_minute=chance.uniform(0.1, 2.0),
        pair=chance.uniform(0.05, 0.6),
        recycle_hours=chance.uniform(6, 96),
        day_scatter=chance.uniform(0.03, 0.15),
    )


def databases(setting: Setting, chance: random.Random, days: int) -> Setting:
    few = replace(setting, workers=min(12, setting.workers), others=min(60, setting.others))
    return replace(few, databases=chance.randint(3, 8))


def backup(setting: Setting, chance: random.Random, days: int) -> Setting:
    return replace(setting, backup=(chance.uniform(-2, 4), chance.uniform(1, 3), chance.randint(4, 16)))


def holidays(setting: Setting, chance: random.Random, days: int) -> Setting:
    off = {chance.randrange(days) for _ in range(chance.randint(1, 3))}
    if chance.random() < 0.4:
        begin = chance.randrange(days)
        off.update(range(begin, begin + 7))
    return replace(setting, holidays=frozenset(off))


def deploys(setting: Setting, chance: random.Random, days: int) -> Setting:
    times = [chance.uniform(2, days - 1) * DAY for _ in range(chance.randint(1, 3))]
    more = [round(setting.workers * chance.uniform(-0.3, 0.6)) for _ in times]
    others = [round(setting.others * chance.uniform(-0.1, 0.2)) for _ in times]
    return replace(setting, restarts=tuple(zip(times, more, others, strict=True)))


def restarts(setting: Setting, chance: random.Random, days: int) -> Setting:
    every, hour = chance.randint(2, 7), chance.uniform(0, 6)
    return replace(setting, restarts=tuple((day * DAY + hour * HOUR, 0, 0) for day in range(every, days, every)))


def gaps(setting: Setting, chance: random.Random, days: int) -> Setting:
    begins = [chance.uniform(0.5, days - 1) * DAY for _ in range(chance.randint(2, 6))]
    return replace(setting, gaps=tuple((begin, begin + chance.uniform(1, 20) * HOUR) for begin in begins))


def pooler(setting: Setting, chance: random.Random, days: int) -> Setting:
    return replace(setting, pool=max(3, round(setting.workers * chance.uniform(0.5, 1.2))))


def growth(setting: Setting, chance: random.Random, days: int) -> Setting:
    return replace(setting, growth_per_week=chance.uniform(0.01, 0.04))


def bursts(setting: Setting, chance: random.Random, days: int) -> Setting:
    return replace(setting, bursts_per_day=chance.uniform(2, 8))


def websockets(setting: Setting, chance: random.Random, days: int) -> Setting:
    return replace(setting, users=setting.workers * chance.randint(20, 40), workers=max(2, setting.workers // 2))


def sites(setting: Setting, chance: random.Random, days: int) -> Setting:
    return replace(setting, second_site=chance.uniform(6, 12))


def forgetful(setting: Setting, chance: random.Random, days: int) -> Setting:
    return replace(setting, forgotten_per_hour=chance.uniform(0.3, 2))


FAMILIES: dict[str, Callable[[Setting, random.Random, int], Setting]] = {
    "office": lambda setting, chance, days: setting,
    **{make.__name__: make for make in (databases, backup, holidays, deploys, restarts, gaps, pooler)},
    **{make.__name__: make for make in (growth, bursts, websockets, sites, forgetful)},
}
UNDER_LEAKS = ("office", "databases", "backup", "holidays", "bursts", "websockets", "sites")


def poisson(chance: random.Random, mean: float) -> int:
    """A Poisson number; by the normal approximation from 30 on."""
    if mean >= 30:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    number, left = 0, chance.random()
    floor = math.exp(-mean)
    while left > floor:
        number += 1
        left *= chance.random()
    return number


def smooth(part: float) -> float:
    """0 up to 0, 1 from 1 on, and without a corner between."""
    part = min(1.0, max(0.0, part))
    return part * part * (3 - 2 * part)


def load(setting: Setting, at: float) -> float:
    """Work at a moment, 1 in a full office."""

    def office(hour: float) -> float:
        dip = 1 - setting.lunch * math.exp(-(((hour - 12.6) / 0.5) ** 2))
        return smooth((hour - setting.opens) / 1.5) * smooth((setting.closes - hour) / 2) * dip

    day, hour = int(at // DAY), at % DAY / HOUR
    work = office(hour)
    if setting.second_site:
        work = min(1.0, work + 0.8 * office((hour - setting.second_site) % 24))
    share = 0.05 if day in setting.holidays else setting.weekend if day % 7 >= 5 else 1.0
    return 0.02 + 0.98 * work * share


class Workers:
    """The pools of the HTTP workers: when each connection was last used, by database and number."""

    def __init__(self, setting: Setting, chance: random.Random) -> None:
        self.setting, self.chance = setting, chance
        self.shares = [1 / (rank + 1) for rank in range(setting.databases)]
        self.pools: list[dict[tuple[int, int], float]] = [{} for _ in range(setting.workers)]

    def restart(self, more: int) -> None:
        self.pools = [{} for _ in range(max(1, len(self.pools) + more))]

    def after(self, at: float, work: float, every: float) -> int:
        """Connections held after the requests of one step."""
        chance, setting = self.chance, self.setting
        requests = setting.requests_per_minute * work * every / MINUTE
        recycled = min(1.0, work * 2 * every / HOUR / setting.recycle_hours)
        for pool in self.pools:
            if chance.random() < recycled:
                pool.clear()
            served = min(poisson(chance, requests), 2 * setting.databases)
            if not served:
                continue
            for key in [key for key, last in pool.items() if at - last > POOLED]:
                del pool[key]
            for database in chance.choices(range(setting.databases), self.shares, k=served):
                pool[database, 0] = at
                if chance.random() < setting.pair:
                    pool[database, 1] = at
        return sum(map(len, self.pools))


class Passing:
    """Sessions that end by themselves, each at its own time."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, int]] = []

    def add(self, end: float, sessions: int = 1) -> None:
        self.ends.append((end, sessions))

    def left(self, at: float) -> int:
        self.ends = [(end, sessions) for end, sessions in self.ends if end > at]
        return sum(sessions for _, sessions in self.ends)


def backup_times(setting: Setting, chance: random.Random, days: int) -> list[tuple[float, float]]:
    """Begin and end of each night's backup."""
    if setting.backup is None:
        return []
    begins = [(day * 24 + setting.backup[0] + chance.uniform(-2, 2)) * HOUR for day in range(days + 1)]
    return [(begin, begin + setting.backup[1] * HOUR * chance.uniform(0.8, 1.25)) for begin in begins]


def totals(setting: Setting, chance: random.Random, days: int, every: float) -> list[int]:
    """Sessions at every step, without a leak and without a limit."""
    workers, visitors, extra, forgotten = Workers(setting, chance), Passing(), Passing(), Passing()
    factors = [max(0.3, chance.gauss(1, setting.day_scatter)) for _ in range(days + 1)]
    backups = backup_times(setting, chance, days)
    cron = [0.0] * setting.cron
    coming = setting.others * chance.uniform(0.01, 0.08)
    others, sockets, sockets_at = setting.others, 0, -DAY
    counts = []
    for number in range(-int(DAY / every), int(days * DAY / every)):
        at = number * every
        for when, more_workers, more_others in setting.restarts:
            if at - every < when <= at:
                workers.restart(more_workers)
                forgotten = Passing()
                others += more_others
                cron, sockets = [0.0] * setting.cron, 0
        grown = (1 + setting.growth_per_week) ** max(0.0, at / (7 * DAY))
        work = load(setting, at) * factors[int(at // DAY) + 1]
        for _ in range(poisson(chance, (0.05 + 0.1 * work) * every / MINUTE)):
            cron[chance.randrange(setting.cron)] = at + chance.expovariate(1 / (3 * MINUTE)) + POOLED
        odoo = workers.after(at, work, every) + 3 * sum(until > at for until in cron)
        if setting.pool is not None:
            odoo = min(odoo, setting.pool)
        now = min(64, poisson(chance, setting.users * grown * 0.05 * work))
        if now >= sockets or at - sockets_at > POOLED:
            sockets, sockets_at = now, at
        for _ in range(poisson(chance, coming * every / HOUR)):
            visitors.add(at + chance.expovariate(1 / HOUR))
        for _ in range(poisson(chance, setting.bursts_per_day * (0.3 + 2 * work) * every / DAY)):
            extra.add(at + chance.uniform(5, 40) * MINUTE, min(40, round(3 * chance.paretovariate(1.3))))
        for _ in range(poisson(chance, setting.forgotten_per_hour * every / HOUR)):
            forgotten.add(at + chance.expovariate(1 / (5 * HOUR)))
        saving = setting.backup[2] if setting.backup and any(a <= at < b for a, b in backups) else 0
        if number >= 0:
            fixed = setting.cron + 1 + round(others * grown) + saving
            counts.append(odoo + sockets + fixed + visitors.left(at) + extra.left(at) + forgotten.left(at))
    return counts


def limit_for(chance: random.Random, peak: int, most_used: float, free: int = 0) -> int:
    """A usual limit of which the peak uses a part, from 40 % to ``most_used``, with at least ``free`` beyond it."""
    wanted = max(peak / chance.uniform(0.4, most_used), peak + free)
    return next((limit for limit in LIMITS if limit >= wanted), LIMITS[-1])


def quiet(family: str, seed: int) -> History:
    """A history without anything to alarm about."""
    chance = random.Random(f"held-out quiet {family} {seed}")
    days = chance.randint(10, 28)
    setting = FAMILIES[family](ordinary(chance), chance, days)
    every = 300.0
    counts = totals(setting, chance, days, every)
    limit = limit_for(chance, max(counts), 0.7 if family == "growth" else 0.85)
    samples = [
        Sample(n * every, float(count))
        for n, count in enumerate(counts)
        if not any(begin <= n * every < end for begin, end in setting.gaps)
    ]
    return History(family, samples, float(limit), float(days))


def leaked_counts(
    setting: Setting, chance: random.Random, rate: float, mode: str, begin: float, days: int, every: float
) -> list[int]:
    """Leaked sessions at every step."""
    quarter = 15 * MINUTE
    plain = replace(setting, holidays=frozenset())
    usual = sum(load(plain, n * quarter) for n in range(7 * 96)) / (7 * 96)
    gone = chance.uniform(0.3, 0.6) if mode == "partly recycled" else 0.0
    stays, recycled, counts = 0, Passing(), []
    for number in range(int(days * DAY / every)):
        at = number * every
        factor = load(setting, at) / usual if mode == "office hours" else 1.0
        new = poisson(chance, rate / (1 - gone) * factor * every / HOUR) if at >= begin else 0
        for _ in range(new):
            if chance.random() < gone:
                recycled.add(at + chance.expovariate(1 / (4 * HOUR)))
            else:
                stays += 1
        counts.append(stays + recycled.left(at))
    return counts


def leaking(rate: float, mode: str, seed: int) -> History:
    """A history with a leak of ``rate`` an hour, that ends when the limit is met or after five days of it."""
    chance = random.Random(f"held-out leak {rate} {mode} {seed}")
    family = chance.choice(UNDER_LEAKS)
    lead = chance.randint(5, 9)
    begin = lead * DAY + chance.uniform(0, 24) * HOUR
    days = lead + 6
    every = 60.0 if rate >= 6 else 300.0
    setting = FAMILIES[family](ordinary(chance), chance, days)
    counts = totals(setting, chance, days, every)
    leaked = leaked_counts(setting, chance, rate, mode, begin, days, every)
    limit = limit_for(chance, max(counts), 0.85, free=20)
    first = next(n for n, sessions in enumerate(leaked) if sessions)
    last = min(len(counts) - 1, first + int(5 * DAY / every))
    met = next((n for n in range(first, last + 1) if counts[n] + leaked[n] >= limit), None)
    last = last if met is None else met
    samples = [Sample(n * every, float(min(limit, counts[n] + leaked[n]))) for n in range(last + 1)]
    half_day = leaked[min(last, first + int(12 * HOUR / every))]
    return History(
        f"{rate:g} an hour, {mode} ({family})",
        samples,
        float(limit),
        (last + 1) * every / DAY,
        leak_from=first * every,
        rate_per_hour=rate,
        meets=None if met is None else met * every,
        hard=half_day < 1.5 * day_to_day(counts, every),
    )


def day_to_day(counts: list[int], every: float) -> int:
    """What an hour's lowest count differs by from that of the day before in nine cases of ten, Tuesday to Friday."""
    steps = int(HOUR / every)
    floors = [min(counts[n : n + steps]) for n in range(0, len(counts), steps)]
    hours = [hour for hour in range(24, len(floors)) if 1 <= hour // 24 % 7 <= 4]
    differences = sorted(abs(floors[hour] - floors[hour - 24]) for hour in hours)
    return differences[int(0.9 * (len(differences) - 1))]
