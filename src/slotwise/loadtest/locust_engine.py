"""The process that Locust has for itself: it patches the standard library, so nothing else of slotwise lives here.

``python -m slotwise.loadtest.locust_engine`` reads lines of JSON (Begin first, then Commands) and answers each Measure
with a line of JSON (Measured). It ends when its standard input does. As ``worker`` it only serves its master.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Any, Literal

import msgspec

WORKER_REPORT_SECONDS = 0.5
"""How often workers tell their master what they have counted; Locust's own figure is 3 s."""
_SPAWN_PER_SECOND = 100.0
_PULSE_SECONDS = 0.05
_READY_SECONDS = 30.0
_CHUNK_BYTES = 1 << 16
_LOGIN_SECONDS = 30.0
LOGIN_NAMES = ("log in", "rpc log in")
"""What the locustfile calls the requests by which users log in."""


class Begin(msgspec.Struct, frozen=True):
    """Which part to play: ``local`` alone, or ``master`` of ``workers`` on ``address``:``port``, or ``worker``."""

    role: Literal["local", "master", "worker"]
    settings: dict[str, Any]
    address: str = "127.0.0.1"
    port: int = 0
    workers: int = 0


class Command(msgspec.Struct, frozen=True):
    """``users`` at once from now on, ``warm_up_seconds`` to settle, then measure for ``measure_seconds``."""

    users: int
    warm_up_seconds: float
    measure_seconds: float


class Measured(msgspec.Struct, frozen=True):
    """What was counted: per slice (requests that succeeded, sum of their milliseconds); response times by name and
    rounded milliseconds; failures by name and words; the generator's own lateness and its share of a core."""

    users: int
    seconds: float
    slices: list[tuple[int, float]]
    times: dict[str, dict[int, int]]
    failures: list[tuple[str, str, int]]
    lateness_seconds: list[float]
    cpu_ratio: float | None
    error: str | None = None


def main() -> None:
    """Play the part that the first line names, until standard input ends."""
    import locust.runners
    from gevent.os import tp_read

    begin_line, rest = _first_line(lambda: tp_read(0, _CHUNK_BYTES))
    begin = msgspec.json.decode(begin_line, type=Begin)
    os.environ["SLOTWISE_LOAD"] = msgspec.json.encode(begin.settings).decode()
    locust.runners.WORKER_REPORT_INTERVAL = WORKER_REPORT_SECONDS
    from locust.env import Environment

    from slotwise.loadtest import odoo_locustfile as users

    classes: list[Any] = [one for one in (users.Browser, users.Caller) if not one.abstract]
    environment = Environment(user_classes=classes, host=begin.settings["url"], catch_exceptions=True)
    if begin.role == "worker":
        runner: Any = environment.create_worker_runner(begin.address, begin.port)
        while tp_read(0, _CHUNK_BYTES):
            pass
        runner.quit()
        os._exit(0)
    if begin.role == "master":
        runner = environment.create_master_runner(begin.address, begin.port)
    else:
        runner = environment.create_local_runner()
    _Engine(environment, runner, begin).serve(rest)
    runner.quit()
    os._exit(0)


def _first_line(read: Any) -> tuple[bytes, bytes]:
    text = b""
    while b"\n" not in text:
        chunk = read()
        if not chunk:
            os._exit(0)
        text += chunk
    line, _, rest = text.partition(b"\n")
    return line, rest


class _Engine:
    """A runner and what it has counted. ``environment`` and ``runner`` are Locust's."""

    def __init__(self, environment: Any, runner: Any, begin: Begin) -> None:
        import gevent

        self._environment = environment
        self._runner = runner
        self._begin = begin
        self._late: list[float] = []
        self._logged_in = 0
        self._pulse = gevent.spawn(self._beat)

    def serve(self, rest: bytes) -> None:
        """Obey commands until there are no more."""
        from gevent.os import tp_read

        problem = self._wait_for_workers()
        while True:
            while b"\n" not in rest:
                chunk = tp_read(0, _CHUNK_BYTES)
                if not chunk:
                    return
                rest += chunk
            line, _, rest = rest.partition(b"\n")
            command = msgspec.json.decode(line, type=Command)
            found = self._measure(command) if problem is None else _nothing(command, problem)
            os.write(1, msgspec.json.encode(found) + b"\n")

    def _wait_for_workers(self) -> str | None:
        import gevent

        end = time.monotonic() + _READY_SECONDS
        while self._begin.role == "master" and len(self._runner.clients.ready) < self._begin.workers:
            if time.monotonic() > end:
                there = len(self._runner.clients.ready)
                return f"{there} of {self._begin.workers} workers have come within {_READY_SECONDS:g} s"
            gevent.sleep(0.05)
        return None

    def _beat(self) -> None:
        """How late this process does what is due: what it adds to every response time."""
        import gevent

        while True:
            due = time.perf_counter() + _PULSE_SECONDS
            gevent.sleep(_PULSE_SECONDS)
            self._late.append(max(0.0, time.perf_counter() - due))

    def _measure(self, command: Command) -> Measured:
        import gevent

        runner = self._runner
        change = abs(command.users - runner.user_count)
        runner.start(command.users, spawn_rate=max(1.0, min(_SPAWN_PER_SECOND, 10.0 * max(change, 1))), wait=False)
        gevent.sleep(change / _SPAWN_PER_SECOND)
        self._wait_for_logins(command.users)
        gevent.sleep(command.warm_up_seconds)
        self._logged_in += self._logins()
        self._environment.stats.clear_all()
        self._late.clear()
        began, cpu = time.perf_counter(), _cpu_seconds()
        slices: list[tuple[int, float]] = []
        done, spent = 0, 0.0
        while (left := began + command.measure_seconds - time.perf_counter()) > 0:
            gevent.sleep(min(WORKER_REPORT_SECONDS, left))
            now_done, now_spent = self._so_far()
            if now_done > done:
                slices.append((now_done - done, now_spent - spent))
            done, spent = now_done, now_spent
        seconds = time.perf_counter() - began
        stats = self._environment.stats
        failures: Counter[tuple[str, str]] = Counter()
        for one in stats.errors.values():
            failures[one.name, _words(one.error)] += one.occurrences
        return Measured(
            users=command.users,
            seconds=seconds,
            slices=slices,
            times={name: dict(entry.response_times) for (name, _), entry in stats.entries.items()},
            failures=[(name, words, count) for (name, words), count in failures.most_common()],
            lateness_seconds=list(self._late),
            cpu_ratio=self._cpu_ratio((_cpu_seconds() - cpu) / seconds),
        )

    def _wait_for_logins(self, users: int) -> None:
        """Logging in hashes a password, which costs Odoo more than most requests: it is not what is measured."""
        import gevent

        end = time.monotonic() + _LOGIN_SECONDS
        while self._logged_in + self._logins() < users and time.monotonic() < end:
            gevent.sleep(0.05)

    def _logins(self) -> int:
        entries = self._environment.stats.entries
        return sum(entry.num_requests for (name, _), entry in entries.items() if name in LOGIN_NAMES)

    def _so_far(self) -> tuple[int, float]:
        """Requests so far and their milliseconds, failed ones included: Locust keeps one sum for both."""
        total = self._environment.stats.total
        return total.num_requests, float(total.total_response_time)

    def _cpu_ratio(self, own: float) -> float:
        """The busiest generator's share of a core."""
        workers = getattr(self._runner, "clients", None)
        shares = [client.cpu_usage / 100 for client in workers.values()] if workers else []
        return max([own, *(float(share) for share in shares)])


def _nothing(command: Command, problem: str) -> Measured:
    return Measured(command.users, 0.0, [], {}, [], [], None, problem)


def _words(error: Any) -> str:
    text = str(error)
    for wrapper in ("CatchResponseError('", 'CatchResponseError("', "RefusedByOdoo('", 'RefusedByOdoo("'):
        if text.startswith(wrapper):
            return text[len(wrapper) : -2]
    return text


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


if __name__ == "__main__":
    main()
