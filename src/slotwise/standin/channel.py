"""The line between the controller of a stand-in host and its programs: starts them, sends orders, takes reports."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from slotwise.errors import OperatorError
from slotwise.standin import messages
from slotwise.standin.messages import Answer, Order, StandinRole
from slotwise.standin.odoo_bin import SETTINGS_VARIABLE
from slotwise.standin.process import Lines, write_line
from slotwise.standin.settings import StandinSettings

_ANSWER_SECONDS = 30.0
_STOP_SECONDS = 10.0

Sent = tuple[int, int]
"""An order that was sent: the process's pid and the order's number."""


class Channel:
    """The programs of one host. ``roles`` has every process that is there now, in the order of their start."""

    def __init__(self, home: Path) -> None:
        self.roles: dict[int, StandinRole] = {}
        self.failures: list[str] = []
        """What processes said that could not start, in the server's own words."""
        self._home = home
        self._programs: dict[int, subprocess.Popen[bytes]] = {}
        self._reports: dict[int, Lines] = {}
        self._answers: dict[Sent, Answer] = {}
        self._orders_sent = 0

    def start(self, words: list[str], settings: StandinSettings) -> int:
        """Start a program; its pid. Its standard error goes to the file ``stderr`` of the host's home."""
        # An application_name or a host in the caller's environment is not Odoo's.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "ODOO"))}
        with (self._home / "stderr").open("ab") as errors:
            program = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**inherited, SETTINGS_VARIABLE: msgspec.json.encode(settings).decode()},
                # A ^C of the terminal is for the caller, who ends the host in order.
                start_new_session=True,
            )
        assert program.stdout is not None
        self._programs[program.pid] = program
        self._reports[program.pid] = Lines(program.stdout.fileno())
        self.failures.clear()
        return program.pid

    def end(self, pid: int) -> None:
        """End a program and what it has started: by the end of its orders, else by force. Harmless when it is gone."""
        program = self._programs.pop(pid, None)
        if program is None:
            return
        self._reports.pop(pid, None)
        self.roles.pop(pid, None)
        for pipe in (program.stdin, program.stdout):
            if pipe is not None:
                pipe.close()
        try:
            program.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(pid, signal.SIGKILL)
            program.wait(_STOP_SECONDS)

    def end_all(self) -> None:
        """End every program."""
        for pid in list(self._programs):
            self.end(pid)
        self.roles.clear()

    def send(self, pid: int, command: messages.Command, through: int) -> Sent:
        """Send an order to the process ``pid``, by the program ``through``."""
        orders = self._programs[through].stdin
        assert orders is not None
        self._orders_sent += 1
        try:
            write_line(orders.fileno(), messages.to_line(pid, Order(self._orders_sent, command)))
        except BrokenPipeError as error:
            raise self._complaint(f"program {through} of the stand-in is gone") from error
        return pid, self._orders_sent

    def answer(self, sent: Sent) -> Answer:
        """Wait for the answer. Raises OperatorError when the process is gone, or after 30 s."""

        def is_there() -> bool:
            if sent not in self._answers and sent[0] not in self.roles:
                raise self._complaint(f"process {sent[0]} of the stand-in is gone")
            return sent in self._answers

        self.wait(is_there, _ANSWER_SECONDS, f"process {sent[0]} of the stand-in does not answer")
        return self._answers.pop(sent)

    def wait(self, condition: Callable[[], bool], seconds: float, complaint: str) -> None:
        """Take reports until ``condition`` holds. Raises OperatorError with ``complaint`` if it never does."""
        deadline = time.monotonic() + seconds
        while not condition():
            if not self._reports or not self._take_reports(max(deadline - time.monotonic(), 0.0)):
                raise self._complaint(complaint)

    def arrived(self, seconds: float) -> list[tuple[Sent, Answer]]:
        """The answers that are there, after waiting for the first for at most ``seconds``. For a caller with several
        orders under way, who asks for no single one."""
        if not self._answers and self._reports:
            self._take_reports(seconds)
        self.catch_up()
        found = list(self._answers.items())
        self._answers.clear()
        return found

    @property
    def report_fds(self) -> list[int]:
        """What becomes readable when an answer arrives."""
        return [lines.fd for lines in self._reports.values()]

    def catch_up(self) -> None:
        """Take the reports that have arrived."""
        while self._reports and self._take_reports(0.0):
            pass

    def _complaint(self, problem: str) -> OperatorError:
        return OperatorError(problem, f"see {self._home / 'stderr'} and {self._home / 'odoo.log'}")

    def _take_reports(self, seconds: float) -> bool:
        by_fd = {lines.fd: pid for pid, lines in self._reports.items()}
        ready, _, _ = select.select(list(by_fd), [], [], seconds)
        for fd in ready:
            lines = self._reports[by_fd[fd]].read()
            if lines is None:
                del self._reports[by_fd[fd]]
            for line in lines or ():
                self._take(*messages.split_line(line))
        return bool(ready)

    def _take(self, pid: int, text: bytes) -> None:
        match msgspec.json.decode(text, type=messages.Report):
            case messages.Answer(number=number) as answer:
                self._answers[pid, number] = answer
            case messages.Alive(role):
                self.roles[pid] = role
            case messages.Failed(_, error):
                self.failures.append(error)
            case messages.Gone():
                self.roles.pop(pid, None)
