"""The users of a stand-in: who thinks, who waits for a worker, who is being served. One loop, no threads.

Orders to the stand-in's processes go out and answers come back over pipes; nothing here ever waits for a single one.
"""

from __future__ import annotations

import heapq
import itertools
import os
import select
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from slotwise.load.measures import Refused
from slotwise.load.visits import Scenario, Visit, visits
from slotwise.standin import messages
from slotwise.standin.channel import Sent
from slotwise.standin.flows import RequestOptions
from slotwise.standin.host import StandinHost
from slotwise.standin.messages import Answer
from slotwise.walls.classify import classify

_LONGEST_WAIT_SECONDS = 0.05
_CENSUS_SECONDS = 0.5
_DELIVERY_SECONDS = 0.005
_OPTIONS = RequestOptions()
_NOT_A_WALL = "error"

Work = Callable[[], None]


class _Request(NamedTuple):
    """A request under way: of which user, on which host, since when it was wished for and when the worker asked."""

    user: int
    host: int
    visit: Visit
    wished_at: float
    asked_at: float
    begun_at: float


class Tally:
    """What happened since the last ``begin``. Times are seconds."""

    def __init__(self) -> None:
        self.responses: list[float] = []
        self.waits: list[float] = []
        self.lateness: list[float] = []
        self.refused: Counter[tuple[str, str]] = Counter()
        self.words: dict[tuple[str, str], str] = {}

    @property
    def failed(self) -> int:
        """Requests and processes that were refused."""
        return sum(self.refused.values())

    def refuse(self, role: str, words: str) -> None:
        """Count a refusal by the wall that its words name."""
        seen = classify(words)
        key = (seen.wall.value if seen is not None else _NOT_A_WALL, role)
        self.refused[key] += 1
        self.words.setdefault(key, words)

    def refusals(self) -> tuple[Refused, ...]:
        """As the report's nouns, the most frequent first."""
        return tuple(
            Refused(wall=wall, role=role, count=count, words=self.words[wall, role])
            for (wall, role), count in self.refused.most_common()
        )


class Crowd:
    """Users of stand-in hosts that run. ``set_users`` says how many there are, ``live`` lets them act for a while."""

    def __init__(
        self, scenario: Scenario, hosts: list[StandinHost], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._scenario = scenario
        self._hosts = hosts
        self._clock = clock
        self._users = 0
        self._visits: list[Iterator[Visit]] = []
        self._active: set[int] = set()
        self._events: list[tuple[float, int, Work]] = []
        self._order = itertools.count()
        self._queues: list[deque[_Request]] = [deque() for _ in hosts]
        self._idle: list[list[int]] = [[] for _ in hosts]
        self._known: list[set[int]] = [set() for _ in hosts]
        self._under_way: dict[tuple[int, Sent], Callable[[Answer], None]] = {}
        self._busy: dict[tuple[int, int], _Request] = {}
        self._random = Random(f"{scenario.seed}/workers")
        self._served = 0
        self._failures_seen = [0 for _ in hosts]
        self.tally = Tally()
        self._census()
        self._later(self._clock() + _CENSUS_SECONDS, self._repeat_census)
        self._start_background()

    def set_users(self, count: int) -> None:
        """From now on there are so many. Those that leave finish what they have begun."""
        now = self._clock()
        self._users = count
        for user in range(count):
            if user not in self._active:
                if user >= len(self._visits):
                    self._visits.append(visits(self._scenario, user))
                self._active.add(user)
                self._think(user, now)

    def begin(self) -> None:
        """Count from zero."""
        self.tally = Tally()

    def live(self, seconds: float, enough: Callable[[], bool], fd: int | None = None) -> float:
        """Let the users act for ``seconds``, or until ``enough`` after some event; how long it was. ``fd`` wakes it."""
        began = now = self._clock()
        end = began + seconds
        while now < end and not enough():
            self._run_due(now)
            next_due = self._events[0][0] if self._events else end
            wait = min(max(0.0, min(next_due, end) - self._clock()), _LONGEST_WAIT_SECONDS)
            fds = [each for host in self._hosts for each in host.report_fds]
            select.select(fds if fd is None else [*fds, fd], [], [], wait)
            self._take_answers()
            now = self._clock()
        return now - began

    # --- inside

    def _later(self, at: float, work: Work) -> None:
        heapq.heappush(self._events, (at, next(self._order), work))

    def _run_due(self, now: float) -> None:
        while self._events and self._events[0][0] <= now:
            due, _, work = heapq.heappop(self._events)
            self.tally.lateness.append(max(0.0, self._clock() - due))
            work()

    def _take_answers(self) -> None:
        for number, host in enumerate(self._hosts):
            for sent, answer in host.arrived():
                handle = self._under_way.pop((number, sent), None)
                if handle is not None:
                    handle(answer)

    def _post(self, host: int, pid: int, command: messages.Command, then: Callable[[Answer], None]) -> None:
        self._under_way[host, self._hosts[host].post(pid, command)] = then

    def _think(self, user: int, now: float) -> None:
        if user >= self._users:
            self._active.discard(user)
            return
        visit = next(self._visits[user])
        self._later(now + visit.think_seconds, lambda: self._wish(user, visit))

    def _wish(self, user: int, visit: Visit) -> None:
        host = user % len(self._hosts)
        now = self._clock()
        self._queues[host].append(_Request(user, host, visit, now, now, now))
        self._dispatch(host)

    def _dispatch(self, host: int) -> None:
        idle, queue = self._idle[host], self._queues[host]
        while idle and queue:
            # Any of the workers that wait in accept() may get it.
            pid = idle.pop(self._random.randrange(len(idle)))
            request = queue.popleft()._replace(asked_at=self._clock())
            self._busy[host, pid] = request
            command = messages.Begin(request.visit.kind, request.visit.database, _OPTIONS)
            self._post(host, pid, command, lambda answer, p=pid, r=request: self._begun(p, r, answer))  # type: ignore[misc]

    def _begun(self, pid: int, request: _Request, answer: Answer) -> None:
        now = self._clock()
        if answer.error is not None or answer.held is None:
            self._refused(pid, request, answer)
            return
        held, begun = answer.held, request._replace(begun_at=now)

        def end() -> None:
            self._post(request.host, pid, messages.End(held), lambda done: self._ended(pid, begun, done))

        self._later(now + request.visit.service_seconds, end)

    def _ended(self, pid: int, request: _Request, answer: Answer) -> None:
        if answer.error is not None:
            self._refused(pid, request, answer)
            return
        now = self._clock()
        self.tally.responses.append(now - request.wished_at)
        self.tally.waits.append(request.begun_at - request.asked_at)
        self._served += 1
        every = self._scenario.leak_every
        if every and self._served % every == 0:
            self._forget_cursor(request.visit.database)
        self._free(pid, request, now)

    def _refused(self, pid: int, request: _Request, answer: Answer) -> None:
        self.tally.refuse("http_worker", answer.error or "nothing was held")
        self._free(pid, request, self._clock())

    def _free(self, pid: int, request: _Request, now: float) -> None:
        if self._busy.pop((request.host, pid), None) is None:
            return
        self._idle[request.host].append(pid)
        self._think(request.user, now)
        self._dispatch(request.host)

    def _forget_cursor(self, database: str) -> None:
        """The first worker's addon forgets one cursor."""
        pid = min(self._known[0], default=None)
        if pid is not None:
            self._post(0, pid, messages.Leak(database, 1, 0), lambda answer: self._note("http_worker", answer))

    def _note(self, role: str, answer: Answer) -> None:
        if answer.error is not None:
            self.tally.refuse(role, answer.error)

    def _repeat_census(self) -> None:
        self._census()
        self._later(self._clock() + _CENSUS_SECONDS, self._repeat_census)

    def _census(self) -> None:
        """Who is there now: a worker that died takes its request with it, a new one is free."""
        for number, host in enumerate(self._hosts):
            present = {one.pid for one in host.processes("http_worker")}
            for pid in self._known[number] - present:
                if pid in self._idle[number]:
                    self._idle[number].remove(pid)
                request = self._busy.pop((number, pid), None)
                if request is not None:
                    self.tally.refuse("http_worker", "server closed the connection unexpectedly: the worker ended")
                    self._think(request.user, self._clock())
            self._idle[number] += sorted(present - self._known[number])
            self._known[number] = present
            failures = host.failures
            for words in failures[self._failures_seen[number] :]:
                self.tally.refuse("starting process", words)
            self._failures_seen[number] = len(failures)
            self._dispatch(number)

    # --- scheduled actions and websockets

    def _start_background(self) -> None:
        scenario, now = self._scenario, self._clock()
        for number, host in enumerate(self._hosts):
            if scenario.action is not None:
                for place, one in enumerate(host.processes("cron_worker")):
                    offset = scenario.action_every_seconds * self._random.random()
                    self._later(now + offset, lambda n=number, p=place, pid=one.pid: self._act(n, p, pid))  # type: ignore[misc]
            gevent = next((one.pid for one in host.processes("gevent")), None)
            if scenario.websockets and gevent is not None:
                share = scenario.websockets // len(self._hosts) + (number < scenario.websockets % len(self._hosts))
                for socket in range(share):
                    database = scenario.databases[socket % len(scenario.databases)]
                    opened = messages.OpenWebsocket(database)
                    self._post(number, gevent, opened, lambda answer: self._note("gevent", answer))
                self._later(
                    now + scenario.delivery_every_seconds,
                    lambda n=number, pid=gevent: self._deliver(n, pid),  # type: ignore[misc]
                )

    def _act(self, host: int, place: int, pid: int) -> None:
        """A scheduled action in this cron worker, or in the one that has replaced it."""
        scenario = self._scenario
        assert scenario.action is not None
        self._later(self._clock() + scenario.action_every_seconds, lambda: self._act(host, place, pid))
        there = [one.pid for one in self._hosts[host].processes("cron_worker")]
        if place >= len(there):
            return
        pid = pid if pid in there else there[place]
        seconds = scenario.action.draw(self._random)
        database = self._random.choice(scenario.databases)
        self._hold(host, pid, messages.BeginAction(database, None), seconds, "cron_worker")

    def _deliver(self, host: int, pid: int) -> None:
        scenario = self._scenario
        self._later(self._clock() + scenario.delivery_every_seconds, lambda: self._deliver(host, pid))
        if pid in {one.pid for one in self._hosts[host].processes("gevent")}:
            database = self._random.choice(scenario.databases)
            self._hold(host, pid, messages.BeginDelivery(database), _DELIVERY_SECONDS, "gevent")

    def _hold(self, host: int, pid: int, command: messages.Command, seconds: float, role: str) -> None:
        def begun(answer: Answer) -> None:
            self._note(role, answer)
            if answer.held is not None:
                end = messages.End(answer.held)
                self._later(
                    self._clock() + seconds, lambda: self._post(host, pid, end, lambda done: self._note(role, done))
                )

        self._post(host, pid, command, begun)


def cpu_seconds() -> float:
    """Processor time of this process so far."""
    times = os.times()
    return times.user + times.system
