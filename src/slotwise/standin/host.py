"""The handle of a stand-in host: starts it, tells it what to do, and knows when the effect is there.

    with StandinHost(StandinSettings(db_port=5432, workers=4), home) as host:
        host.serve(16, "prod", kind="login")
        host.run_scheduled_action("prod")

Each call returns when the server has done what it was asked for; nothing has to be waited for by sleeping. What needs
time to go away (a closed connection leaves pg_stat_activity a moment later) is for the caller to await.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal

import msgspec

from slotwise.errors import OperatorError
from slotwise.standin import messages
from slotwise.standin.channel import Channel, Sent
from slotwise.standin.flows import RequestOptions
from slotwise.standin.messages import Answer, Condition, StandinRole
from slotwise.standin.settings import StandinSettings, command_line, write_home

RequestKind = Literal["page", "login", "rpc"]

_START_SECONDS = 20.0
_READ_ONLY_DEFAULTS = RequestOptions()


class StandinProcessInfo(msgspec.Struct, frozen=True):
    """One process of the host."""

    pid: int
    role: StandinRole


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request: ``error`` is None or the very words of the server, or of the pool."""

    pid: int
    error: str | None = None
    error_kind: Literal["refused", "pool_full", "statement"] | None = None
    held: int | None = None
    """What StandinHost.finish takes, while it is held."""

    @property
    def served(self) -> bool:
        """Whether the request got its connections."""
        return self.error is None


class StandinHost:
    """A host of Odoo, as far as its processes and connections go. A context manager.

    ``home`` is an existing directory; odoo-bin, odoo.conf and odoo.log are put there, and stay.
    Raises OperatorError when a process does not start or does not answer.
    """

    def __init__(self, settings: StandinSettings, home: Path) -> None:
        http_port, gevent_port = _free_ports(2)
        self.settings = msgspec.structs.replace(
            settings, http_port=settings.http_port or http_port, gevent_port=settings.gevent_port or gevent_port
        )
        self.home = home
        self.conf_file = home / "odoo.conf"
        self.log_file = home / "odoo.log"
        self._channel = Channel(home)
        self._program = 0
        self._shells: set[int] = set()
        self._next_worker = 0

    def __enter__(self) -> StandinHost:
        try:
            self.start()
        except BaseException:
            # A ^C in here would leave the block unentered, and so unended.
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- life

    def start(self, *, complete: bool = True) -> None:
        """Start the master and wait until all its processes have done what they do at the start.

        ``complete=False`` does not wait for those that the server refuses (Odoo goes on trying to start them).
        Raises OperatorError with the server's words when a process cannot start.
        """
        write_home(self.home, self.settings)
        self._program = self._channel.start(command_line(self.settings, self.home), self.settings)
        expected = sorted(self._expected_roles())

        def settled() -> bool:
            return bool(self._channel.failures) or sorted(self._channel.roles.values()) == expected

        self._channel.wait(settled, _START_SECONDS, "the stand-in does not start")
        if self._channel.failures and (complete or self._program not in self._channel.roles):
            words = self._channel.failures[-1]
            self.stop()
            raise OperatorError(f"the stand-in does not start: {words}", "free a slot, or mend the address")

    def stop(self) -> None:
        """End every process of the host and wait for it. Harmless when it has ended already."""
        self._channel.end_all()
        self._shells.clear()

    @property
    def pid(self) -> int:
        """The master's pid (the only process's, in threaded mode)."""
        return self._program

    def processes(self, role: StandinRole | None = None) -> list[StandinProcessInfo]:
        """The processes that are there now, in the order of their start; of one role only, if given."""
        self._channel.catch_up()
        return [StandinProcessInfo(pid, its) for pid, its in self._channel.roles.items() if role in (None, its)]

    def kill(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """End a process of the host with a signal and wait until the master has replaced it."""
        roles = self._channel.roles
        role = roles[pid]
        before = sum(its == role for its in roles.values())
        os.kill(pid, number)

        def replaced() -> bool:
            return pid not in roles and sum(its == role for its in roles.values()) == before

        self._channel.wait(replaced, _START_SECONDS, f"nothing replaces the {role} {pid}")

    # --- HTTP

    def serve(
        self,
        requests: int,
        database: str,
        *,
        kind: RequestKind = "page",
        concurrent: int | None = None,
        options: RequestOptions = _READ_ONLY_DEFAULTS,
    ) -> list[Outcome]:
        """Requests from begin to end. ``concurrent`` of them are there at the same moment: each HTTP worker serves one
        at a time, so in prefork it is at most, and unless given exactly, their number.
        """
        outcomes: list[Outcome] = []
        while len(outcomes) < requests:
            batch = self.begin(
                min(self._at_once(concurrent), requests - len(outcomes)), database, kind=kind, options=options
            )
            outcomes += [self.finish(outcome) for outcome in batch]
        return outcomes

    def begin(
        self,
        requests: int,
        database: str,
        *,
        kind: RequestKind = "page",
        options: RequestOptions = _READ_ONLY_DEFAULTS,
    ) -> list[Outcome]:
        """Requests that stay: each worker takes one and holds its cursors until ``finish``."""
        return self.answers(self.send_requests(requests, database, kind=kind, options=options))

    def send_requests(
        self,
        requests: int,
        database: str,
        *,
        kind: RequestKind = "page",
        options: RequestOptions = _READ_ONLY_DEFAULTS,
    ) -> list[Sent]:
        """As ``begin``, without waiting: they may be queueing in a pooler. ``answers`` waits for them."""
        workers = self._http_pids()
        chosen = [workers[(self._next_worker + n) % len(workers)] for n in range(requests)]
        self._next_worker += requests
        return [self._send(pid, messages.Begin(kind, database, options)) for pid in chosen]

    def answers(self, sent: Sequence[Sent]) -> list[Outcome]:
        """Wait for what ``send_requests`` has sent. Raises OperatorError when an answer takes longer than 30 s."""
        return [_outcome(one[0], self._channel.answer(one)) for one in sent]

    def finish(self, outcome: Outcome) -> Outcome:
        """Let a held request, scheduled action or delivery go on to its end."""
        if outcome.held is None:
            return outcome
        return _outcome(outcome.pid, self._ask(outcome.pid, messages.End(outcome.held)))

    def leak(self, database: str, *, cursors: int = 0, raw: int = 0, worker: int = 0) -> Outcome:
        """In HTTP worker number ``worker`` an addon forgets cursors, and connections of its own that no pool knows."""
        pid = self._http_pids()[worker]
        return _outcome(pid, self._ask(pid, messages.Leak(database, cursors, raw)))

    # --- cron

    def poll_jobs(self) -> None:
        """Each cron worker looks for due jobs, in every database; no job is due."""
        sent = [self._send(pid, messages.Poll()) for pid in self._cron_pids()]
        for one in sent:
            self._channel.answer(one)

    def begin_scheduled_action(self, database: str, *, running: str | None = None, worker: int = 0) -> Outcome:
        """Cron worker number ``worker`` runs a job and stays in it; ``running`` is a statement that keeps it busy."""
        pid = self._cron_pids()[worker]
        return _outcome(pid, self._ask(pid, messages.BeginAction(database, running)))

    def run_scheduled_action(self, database: str, *, worker: int = 0) -> Outcome:
        """A job from begin to end."""
        return self.finish(self.begin_scheduled_action(database, worker=worker))

    # --- websockets

    def open_websocket(self, database: str, count: int = 1) -> Outcome:
        """Browsers subscribe; with the first one the process that serves websockets begins to LISTEN."""
        pid = self._websocket_pid()
        outcome = Outcome(pid=pid)
        for _ in range(count):
            outcome = _outcome(pid, self._ask(pid, messages.OpenWebsocket(database)))
            if not outcome.served:
                break
        return outcome

    def begin_delivery(self, database: str) -> Outcome:
        """A notification for every websocket at once: a cursor for each, as far as the pool goes, until ``finish``."""
        pid = self._websocket_pid()
        return _outcome(pid, self._ask(pid, messages.BeginDelivery(database)))

    def notifications(self, channel: str = "imbus") -> int:
        """How many notifications have reached the host's processes so far, e.g. on ``imbus`` or ``cron_trigger``."""
        return sum(self.condition(one.pid).notifications.get(channel, 0) for one in self._answering())

    # --- shells

    def open_shell(self, database: str) -> int:
        """``odoo-bin shell``: one more process with a session of its own; its pid."""
        python, odoo_bin, *options = command_line(self.settings, self.home)
        if "-d" in options:
            options = options[: options.index("-d")]
        words = [python, odoo_bin, "shell", *options, "-d", database]
        pid = self._channel.start(words, self.settings)
        self._shells.add(pid)
        channel = self._channel
        channel.wait(lambda: pid in channel.roles or bool(channel.failures), _START_SECONDS, "the shell does not start")
        if pid not in channel.roles:
            self.close_shell(pid)
            raise OperatorError(f"the shell does not start: {channel.failures[-1]}", "free a slot")
        return pid

    def close_shell(self, pid: int) -> None:
        """End a shell and wait for it."""
        self._shells.discard(pid)
        self._channel.end(pid)

    # --- all processes

    def condition(self, pid: int) -> Condition:
        """How a process is: its pools and what it holds."""
        condition = self._ask(pid, messages.Ask()).condition
        assert condition is not None
        return condition

    def let_time_pass(self, seconds: float) -> None:
        """Put the clock of every process forward: idle connections grow older for the next borrow."""
        for one in self._answering():
            self._ask(one.pid, messages.PutClockForward(seconds))

    # --- many orders at once

    def post(self, pid: int, command: messages.Command) -> Sent:
        """Send an order to a process and go on; ``arrived`` brings the answer."""
        return self._send(pid, command)

    def arrived(self, seconds: float = 0.0) -> list[tuple[Sent, Answer]]:
        """Every answer that is there; waits for one for at most ``seconds``. Use it with ``post`` only."""
        return self._channel.arrived(seconds)

    @property
    def report_fds(self) -> list[int]:
        """For select(): readable when an answer may have arrived."""
        return self._channel.report_fds

    @property
    def failures(self) -> tuple[str, ...]:
        """What processes said that could not start, in the server's own words, oldest first."""
        return tuple(self._channel.failures)

    # --- inside

    def _expected_roles(self) -> list[StandinRole]:
        settings = self.settings
        if settings.threaded:
            return ["threaded"]
        roles: list[StandinRole] = ["master"]
        if settings.http_enable:
            roles.append("gevent")
            roles.extend("http_worker" for _ in range(settings.workers))
        roles.extend("cron_worker" for _ in range(settings.max_cron_threads))
        if settings.queue_job:
            roles.append("queue_job")
        return roles

    def _pids(self, role: StandinRole) -> list[int]:
        pids = [one.pid for one in self.processes("threaded" if self.settings.threaded else role)]
        if not pids:
            raise OperatorError(f"the stand-in has no {role}", "start it with one, or wait until it is replaced")
        return pids

    def _http_pids(self) -> list[int]:
        return self._pids("http_worker")

    def _cron_pids(self) -> list[int]:
        return self._pids("cron_worker")

    def _websocket_pid(self) -> int:
        return self._pids("gevent")[0]

    def _answering(self) -> list[StandinProcessInfo]:
        return [one for one in self.processes() if one.role != "master"]

    def _at_once(self, concurrent: int | None) -> int:
        if self.settings.threaded:
            return concurrent or 1
        return min(concurrent or self.settings.workers, self.settings.workers)

    def _send(self, pid: int, command: messages.Command) -> Sent:
        return self._channel.send(pid, command, through=pid if pid in self._shells else self._program)

    def _ask(self, pid: int, command: messages.Command) -> Answer:
        return self._channel.answer(self._send(pid, command))


def _outcome(pid: int, answer: Answer) -> Outcome:
    return Outcome(pid=pid, error=answer.error, error_kind=answer.error_kind, held=answer.held)


def _free_ports(count: int) -> list[int]:
    """TCP ports of loopback that nobody listens on at this moment."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
