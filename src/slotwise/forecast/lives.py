"""The lives of processes as rounds show them, in memory of bounded size, and which of them leaks. Pure.

A round says how many sessions each process holds on each database. Five minutes of rounds become one value, the least
that was held, so that what a request holds while it runs is no growth. A day is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil

from msgspec import Struct

from slotwise.forecast.leaks import HOUR, LEAST_RISE, Growth, Holding, growth
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.processes import Processes
from slotwise.snapshot.round import HolderCount, Round

BUCKET_SECONDS = 300.0
REMEMBERED_SECONDS = 86400.0
MOST_PROCESSES = 300
"""Processes that are remembered: the largest holders."""
GONE_SECONDS = HOUR
"""A process that has held nothing for so long is forgotten."""
MOST_SAID = 20
HORIZON_SECONDS = 14 * 86400.0
_AT_WORK = ("active", "fastpath function call")
"""What counts as load. Not *idle in transaction*: that is how a leaked cursor stays, and it must not excuse itself."""


class Leaking(Struct, frozen=True):
    """One process that leaks: what it is, how many sessions it holds now, and why it is a leak (``growth``).

    ``last_slot_at`` is when the last usable slot goes if all leaks that are known go on (epoch seconds); None where
    that is further away than two weeks, or slots are not known.
    """

    role: str
    pid: int
    process: str | None
    count: int
    growth: Growth
    last_slot_at: float | None = None

    @property
    def name(self) -> str:
        """``http_worker 4121``, or the program's name where it is no part of Odoo."""
        return f"{self.role if self.role != 'unknown' else self.process or 'process'} {self.pid}"

    @property
    def per_hour(self) -> float:
        """The slope: connections an hour."""
        return self.growth.per_hour or 0.0


class _Life:
    """One process: its kind, and a Holding for every five minutes."""

    def __init__(self, kind: tuple[str, str | None], began: float | None) -> None:
        self.kind = kind
        self.began = began
        self.buckets: dict[int, Holding] = {}
        self.held_at = 0.0

    def add(self, at: float, by_database: dict[str, int], load: float | None) -> None:
        number = int(at // BUCKET_SECONDS)
        seen = Holding((number + 0.5) * BUCKET_SECONDS, by_database, load)
        have = self.buckets.get(number)
        if have is not None:
            # The least that was held, at the most that was to do.
            loads = [x for x in (have.load, load) if x is not None]
            least = seen if seen.count < have.count else have
            seen = Holding(least.at, least.by_database, max(loads, default=None))
        self.buckets[number] = seen
        if by_database:
            self.held_at = at

    def rise(self) -> int:
        """How much more the newest value is than the least one."""
        counts = [h.count for _, h in sorted(self.buckets.items())]
        return counts[-1] - min(counts)


class Lives:
    """What every process held in the last day. For one thread."""

    def __init__(self) -> None:
        self._lives: dict[int, _Life] = {}
        self._usable: int | None = None
        self._used: int | None = None
        self._at: float | None = None
        self._first_at: float | None = None
        self._forgot = 0

    def add(self, round_: Round, starts: Mapping[int, float] | None = None) -> None:
        """Take one round (a sum of five minutes too), in the order of time: what is older than the newest is left out.

        ``starts`` are the starts of the processes of this host (epoch seconds) where they are known: a pid that began
        later than what is remembered of it is another process. A round in which nobody could count says nothing.
        """
        at = round_.at + round_.seconds / 2
        if round_.used is None or round_.seconds > BUCKET_SECONDS or (self._at is not None and at < self._at):
            return
        self._at, self._used, self._usable = at, round_.used, round_.usable
        self._first_at = at if self._first_at is None else self._first_at
        load = _load(round_.holders)
        held: dict[int, dict[str, int]] = {}
        kinds: dict[int, tuple[str, str | None]] = {}
        for holder in round_.holders:
            if holder.pid is None or holder.owner != "known":
                continue
            databases = held.setdefault(holder.pid, {})
            name = holder.database or ""
            databases[name] = databases.get(name, 0) + holder.count
            kinds[holder.pid] = (holder.role, holder.process)
        largest = sorted(held, key=lambda pid: -sum(held[pid].values()))[:MOST_PROCESSES]
        for pid in largest:
            self._life(pid, kinds[pid], (starts or {}).get(pid)).add(at, held[pid], load)
        for pid, life in self._lives.items():
            if pid not in held:
                life.add(at, {}, load)
        if self._forgot != at // BUCKET_SECONDS:
            self._forgot = int(at // BUCKET_SECONDS)
            self._forget(at)

    @property
    def known_seconds(self) -> float:
        """How long it has watched."""
        return 0.0 if self._at is None or self._first_at is None else self._at - self._first_at

    def leaking(self) -> tuple[Leaking, ...]:
        """The processes that leak, the fastest first, at most MOST_SAID."""
        found: list[Leaking] = []
        for pid, life in self._lives.items():
            if life.rise() < LEAST_RISE:
                continue
            holdings = [h for _, h in sorted(life.buckets.items())]
            said = growth(holdings, life.began)
            if said.cause == "leak":
                found.append(Leaking(life.kind[0], pid, life.kind[1], holdings[-1].count, said))
        found.sort(key=lambda one: (-one.per_hour, one.pid))
        ends = self._last_slot_at(sum(one.per_hour for one in found))
        return tuple(Leaking(o.role, o.pid, o.process, o.count, o.growth, ends) for o in found[:MOST_SAID])

    def _last_slot_at(self, per_hour: float) -> float | None:
        if self._used is None or self._usable is None or self._at is None or per_hour <= 0:
            return None
        seconds = max(0, self._usable - self._used) / per_hour * HOUR
        return self._at + seconds if seconds <= HORIZON_SECONDS else None

    def _life(self, pid: int, kind: tuple[str, str | None], began: float | None) -> _Life:
        life = self._lives.get(pid)
        if life is None or life.kind != kind or _is_another(life, began):
            life = self._lives[pid] = _Life(kind, began)
        life.began = life.began if began is None else began
        return life

    def _forget(self, at: float) -> None:
        oldest = ceil((at - REMEMBERED_SECONDS) / BUCKET_SECONDS)
        for pid, life in list(self._lives.items()):
            for number in [n for n in life.buckets if n < oldest]:
                del life.buckets[number]
            if at - life.held_at > GONE_SECONDS or not life.buckets:
                del self._lives[pid]
        for pid in sorted(self._lives, key=lambda pid: self._lives[pid].held_at)[: -2 * MOST_PROCESSES]:
            del self._lives[pid]


def lives_of(rounds: Iterable[Round]) -> Lives:
    """The lives that a history shows."""
    lives = Lives()
    for round_ in rounds:
        lives.add(round_)
    return lives


def starts_of(snapshot: Snapshot) -> dict[int, float]:
    """When each process of this host that is known was started, epoch seconds, by pid."""
    if not isinstance(snapshot.processes, Processes):
        return {}
    return {p.pid: p.started_at for p in snapshot.processes.processes if p.started_at is not None}


def _is_another(life: _Life, began: float | None) -> bool:
    """Whether the process with this start is not the one that was seen before it."""
    if began is None:
        return False
    if life.began is not None:
        return abs(life.began - began) > 2
    return bool(life.buckets) and (min(life.buckets) + 1) * BUCKET_SECONDS < began


def _load(holders: Iterable[HolderCount]) -> float | None:
    """The sessions that a statement runs in, on the whole server; None where a state was not visible."""
    total = 0
    for holder in holders:
        if holder.state == "not visible":
            return None
        total += holder.count if holder.state in _AT_WORK else 0
    return float(total)
