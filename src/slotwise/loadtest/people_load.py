"""The test over HTTP: Locust's users against an Odoo, step after step."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

from msgspec.structs import replace

from slotwise.collectors.runner import Request
from slotwise.load.measures import BLOCKS, Block, Percentiles, Refused, Slots, Step, percentiles
from slotwise.load.people import People
from slotwise.load.ramp import Goal, Limits, Stop, next_users
from slotwise.loadtest.connections import Outcome
from slotwise.loadtest.ending import Interrupted
from slotwise.loadtest.generators import Generators
from slotwise.loadtest.locust_engine import Measured
from slotwise.loadtest.observer import OWN_SESSIONS, Observer
from slotwise.loadtest.rounds import slots_of
from slotwise.snapshot.round import Round
from slotwise.walls.classify import classify

_OBSERVER_SECONDS = 1.0
LONGEST_LOOK_SECONDS = 5.0


def warm_up_seconds(people: People) -> float:
    """How long new users need to log in and settle: a pause and a half, a second at least."""
    return max(1.0, 1.5 * people.think_seconds)


def run(
    people: People,
    generators: Generators,
    looking: Request | None,
    limits: Limits,
    wanted: Goal,
    say: Callable[[Step], None],
) -> Outcome:
    """Ramp until something ends it; the users are gone when this returns. ``looking`` None: nobody sees the slots."""
    steps: list[Step] = []
    began = time.monotonic()
    try:
        with ExitStack() as running:
            observer = running.enter_context(Observer(looking, _OBSERVER_SECONDS)) if looking is not None else None
            running.enter_context(generators)
            test = _Test(people, generators, observer, limits)
            while True:
                length = limits.step_seconds + warm_up_seconds(people)
                decision = next_users(steps, limits, wanted, time.monotonic() - began, length, people.think_seconds)
                if isinstance(decision, Stop):
                    return Outcome(steps, decision, False)
                step = test.step(decision)
                if step is not None:
                    steps.append(step)
                    say(step)
                if test.stop is not None:
                    return Outcome(steps, test.stop, False)
    except Interrupted:
        return Outcome(steps, Stop("interrupted", "interrupted; the users have gone"), True)


class _Test:
    """The generators run; each ``step`` has so many users. ``stop`` says why the test must end."""

    def __init__(self, people: People, generators: Generators, observer: Observer | None, limits: Limits) -> None:
        self.stop: Stop | None = None
        self._people = people
        self._generators = generators
        self._observer = observer
        self._limits = limits
        self._looks: list[Round] = []
        self._logged: Counter[str] = Counter()
        self._logged_before: Counter[str] | None = None

    def step(self, users: int) -> Step | None:
        """One number of users; None where it was broken off before anything was counted."""
        self._looks.clear()
        measured = self._generators.measure(
            users, warm_up_seconds(self._people), self._limits.step_seconds, self._enough
        )
        if measured is None:
            return None
        # A step without a look would say nothing of the slots: its users stay until there is one.
        end = time.monotonic() + LONGEST_LOOK_SECONDS
        self._take_looks()
        while self._observer is not None and not self._counted() and time.monotonic() < end:
            self._take_looks(0.2)
        refused = refusals(measured.failures) + self._refused_by_log()
        step = step_of_measured(measured, self._people.think_seconds)
        if self._observer is None:
            return replace(step, refused=refused, slots=Slots(gap="nobody looked (--observe)"))
        return replace(step, refused=refused, slots=slots_of(self._looks))

    def _counted(self) -> bool:
        return any(look.used is not None for look in self._looks)

    def _enough(self) -> bool:
        self._take_looks()
        return self.stop is not None

    def _take_looks(self, seconds: float = 0.0) -> None:
        for look in self._observer.take(seconds) if self._observer is not None else ():
            self._looks.append(look)
            self._logged |= Counter(look.walls)
            if self._logged_before is None:
                self._logged_before = Counter(look.walls)
            if look.used is None or look.usable is None:
                continue
            if look.used - OWN_SESSIONS > look.usable:
                words = f"{look.used} slots in use of {look.usable}: the server's reserve is touched"
                self.stop = Stop("reserve", words)
            elif self._limits.slots is not None and look.used >= self._limits.slots:
                words = f"{look.used} slots in use, {self._limits.slots} are allowed (--max-connections-used)"
                self.stop = Stop("connections", words)

    def _refused_by_log(self) -> tuple[Refused, ...]:
        """What the server's own logs (--log) tell of refusals since the last step."""
        new = self._logged - (self._logged_before or Counter())
        self._logged_before = Counter(self._logged)
        return tuple(
            Refused(wall=wall, role="odoo (by its log)", count=count, words=f"{count} lines in the log")
            for wall, count in sorted(new.items())
        )


def step_of_measured(measured: Measured, think_seconds: float) -> Step:
    """What Locust has counted, as a step; requests that failed are not among the completed ones."""
    failed = sum(count for _name, _words, count in measured.failures)
    everything: Counter[int] = Counter()
    for times in measured.times.values():
        everything.update(times)
    completed = max(0, sum(everything.values()) - failed)
    spent = sum(milliseconds for _count, milliseconds in measured.slices)
    counted = sum(count for count, _milliseconds in measured.slices)
    latency = _spread(everything)
    if latency is not None and counted:
        # Locust rounds what it keeps of each response; its sum is exact.
        latency = replace(latency, mean=spent / counted / 1000)
    late = percentiles(measured.lateness_seconds)
    return Step(
        users=measured.users,
        seconds=measured.seconds,
        completed=completed,
        throughput_per_second=completed / measured.seconds if measured.seconds > 0 else 0.0,
        latency=latency,
        blocks=_blocks(measured.slices),
        think_seconds=think_seconds,
        lateness_p95_seconds=late.p95 if late is not None else None,
        generator_cpu_ratio=measured.cpu_ratio,
        by_name={name: spread for name, times in sorted(measured.times.items()) if (spread := _spread(Counter(times)))},
    )


def refusals(failures: list[tuple[str, str, int]]) -> tuple[Refused, ...]:
    """Failures by the wall that their words name. The role is what the user was doing."""
    counts: Counter[tuple[str, str]] = Counter()
    words: dict[tuple[str, str], str] = {}
    for name, text, count in failures:
        seen = classify(text)
        key = (seen.wall.value if seen is not None else "error", f"user ({name})")
        counts[key] += count
        words.setdefault(key, text)
    return tuple(
        Refused(wall=wall, role=role, count=count, words=words[wall, role])
        for (wall, role), count in counts.most_common()
    )


def _blocks(slices: list[tuple[int, float]]) -> tuple[Block, ...]:
    """At most BLOCKS blocks of consecutive slices."""
    size = max(1, -(-len(slices) // BLOCKS))
    found = []
    for at in range(0, len(slices), size):
        part = slices[at : at + size]
        count = sum(one[0] for one in part)
        found.append(Block(count, sum(one[1] for one in part) / count / 1000))
    return tuple(found)


def _spread(times: Counter[int]) -> Percentiles | None:
    return percentiles([milliseconds / 1000 for milliseconds, count in times.items() for _ in range(count)])
