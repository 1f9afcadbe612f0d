"""The test of connections: the stand-in's processes against a PostgreSQL or a PgBouncer, step after step."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from slotwise.collectors.runner import Request
from slotwise.errors import OperatorError
from slotwise.load.measures import Step, blocks_of, percentiles, step_of
from slotwise.load.ramp import Goal, Limits, Stop, next_users
from slotwise.load.visits import Scenario
from slotwise.loadtest.crowd import Crowd, Tally, cpu_seconds
from slotwise.loadtest.ending import Interrupted
from slotwise.loadtest.observer import OWN_SESSIONS, Observer
from slotwise.loadtest.rounds import slots_of
from slotwise.snapshot.round import Round
from slotwise.standin.host import StandinHost
from slotwise.standin.settings import StandinSettings

SHORTEST_WARM_UP_SECONDS = 0.5
STOP_AT_FAILURES = 25
"""A step ends early once so many requests were refused: the wall is known by then."""
_AT_ONCE = frozenset({"pg_max_connections", "pg_process_table", "memory", "fd_limit"})
"""Walls that hurt others than Odoo: the first refusal ends the test."""
_OBSERVER_SECONDS = 5.0


class Target(Struct, frozen=True, kw_only=True):
    """Where the stand-in connects to."""

    host: str
    port: int
    user: str
    password: str | None = None
    sslmode: str = "prefer"


class Outcome(NamedTuple):
    """The steps that were made, and why there is none more. ``interrupted``: a signal ended the test."""

    steps: list[Step]
    stop: Stop
    interrupted: bool


def warm_up_seconds(scenario: Scenario) -> float:
    """How long a new number of users needs to settle: one cycle of a user, and a little."""
    return max(SHORTEST_WARM_UP_SECONDS, 1.5 * (scenario.service.mean_seconds + scenario.think.mean_seconds))


def run(
    scenario: Scenario,
    target: Target,
    looking: Request,
    limits: Limits,
    wanted: Goal,
    say: Callable[[Step], None],
    home: Path | None = None,
) -> Outcome:
    """Ramp until something ends it. Everything that was started is ended and removed before this returns.

    Raises OperatorError when the stand-in does not start at all.
    """
    steps: list[Step] = []
    began = time.monotonic()
    try:
        with ExitStack() as running:
            observer = running.enter_context(Observer(looking, min(1.0, max(0.25, limits.step_seconds / 4))))
            directory = Path(running.enter_context(TemporaryDirectory(prefix="slotwise-load-", dir=home)))
            hosts = [_start(scenario, target, directory / f"host{at}", running) for at in range(scenario.hosts)]
            test = _Test(scenario, hosts, observer, limits)
            while True:
                length = limits.step_seconds + warm_up_seconds(scenario)
                decision = next_users(
                    steps, limits, wanted, time.monotonic() - began, length, scenario.think.mean_seconds
                )
                if isinstance(decision, Stop):
                    return Outcome(steps, decision, False)
                step, stop = test.step(decision)
                if step is not None:
                    steps.append(step)
                    say(step)
                if stop is not None:
                    return Outcome(steps, stop, False)
    except Interrupted:
        return Outcome(steps, Stop("interrupted", "interrupted; everything that was started has been ended"), True)


def _start(scenario: Scenario, target: Target, home: Path, running: ExitStack) -> StandinHost:
    home.mkdir()
    settings = StandinSettings(
        odoo_version=scenario.odoo_version,
        workers=scenario.workers,
        max_cron_threads=scenario.max_cron_threads,
        db_name=scenario.databases if len(scenario.databases) == 1 else (),
        db_host=target.host,
        db_port=target.port,
        db_user=target.user,
        db_password=target.password,
        db_sslmode=target.sslmode,
        db_maxconn=scenario.db_maxconn,
        uses_tables=False,
    )
    host = StandinHost(settings, home)
    running.callback(host.stop)
    try:
        host.start(complete=False)
    except OperatorError as error:
        raise OperatorError(error.problem, "check --dsn, or let fewer workers and scheduled actions start") from error
    return host


class _Test:
    """The hosts run; each ``step`` lets so many users act on them."""

    def __init__(self, scenario: Scenario, hosts: list[StandinHost], observer: Observer, limits: Limits) -> None:
        self._scenario = scenario
        self._observer = observer
        self._limits = limits
        self._crowd = Crowd(scenario, hosts)
        self._looks: list[Round] = []
        self._stop: Stop | None = None
        self._looks += observer.take(_OBSERVER_SECONDS)

    def step(self, users: int) -> tuple[Step | None, Stop | None]:
        """One number of users. The Step is None where nothing was measured, the Stop where the test may go on."""
        crowd = self._crowd
        crowd.set_users(users)
        crowd.begin()
        crowd.live(warm_up_seconds(self._scenario), self._enough, self._observer.fd)
        refused_early = crowd.tally
        self._looks.clear()
        crowd.begin()
        cpu = cpu_seconds()
        seconds = 0.0 if self._enough() else crowd.live(self._limits.step_seconds, self._enough, self._observer.fd)
        tally = crowd.tally
        if seconds <= 0 or (refused_early.failed and not tally.failed):
            tally.refused.update(refused_early.refused)
            tally.words.update(refused_early.words)
        self._take_looks()
        if not self._counted():
            # A step without a look would say nothing of the slots: it goes on, unmeasured, until there is one.
            crowd.begin()
            crowd.live(_OBSERVER_SECONDS, lambda: self._counted() or self._enough(), self._observer.fd)
        step = self._measured(users, seconds, tally, cpu_seconds() - cpu)
        if not step.completed and not step.refused:
            return None, self._stop
        return step, self._stop

    def _counted(self) -> bool:
        return any(look.used is not None for look in self._looks)

    def _measured(self, users: int, seconds: float, tally: Tally, cpu: float) -> Step:
        step = step_of(users, seconds, tally.responses, self._scenario.think.mean_seconds)
        late = percentiles(tally.lateness)
        return replace(
            step,
            blocks=blocks_of(tally.responses),
            slot_wait=percentiles(tally.waits),
            refused=tally.refusals(),
            slots=slots_of(self._looks),
            lateness_p95_seconds=late.p95 if late is not None else None,
            generator_cpu_ratio=cpu / seconds if seconds > 0 else None,
        )

    def _enough(self) -> bool:
        """Whether the step must end now; remembers why when the test must too."""
        self._take_looks()
        tally = self._crowd.tally
        if any(wall in _AT_ONCE for wall, _role in tally.refused):
            wall = next(wall for wall, _role in tally.refused if wall in _AT_ONCE)
            self._stop = Stop("reserve", f"{wall} was met, which shuts others out too: stopped at once")
        return self._stop is not None or tally.failed >= STOP_AT_FAILURES

    def _take_looks(self) -> None:
        for look in self._observer.take():
            self._looks.append(look)
            if look.used is None or look.usable is None:
                continue
            if look.used - OWN_SESSIONS > look.usable:
                self._stop = Stop(
                    "reserve", f"{look.used} slots in use of {look.usable}: the server's reserve is touched"
                )
            elif self._limits.slots is not None and look.used >= self._limits.slots:
                words = f"{look.used} slots in use, {self._limits.slots} are allowed (--max-connections-used)"
                self._stop = Stop("connections", words)
