"""Starts and steers the processes that Locust has for itself."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import msgspec

from slotwise.errors import OperatorError
from slotwise.loadtest.locust_engine import Begin, Command, Measured

_END_SECONDS = 5.0
_CHUNK_BYTES = 1 << 16
_TICK_SECONDS = 0.2
_SLACK_SECONDS = 90.0
"""How much longer than asked a step may take: workers come, users log in."""


class Generators:
    """One Locust on this machine, or with ``count`` > 1 a master and so many workers; a context manager.

    ``address`` and ``port`` are where the master listens for ``remote`` further workers on other machines.
    """

    def __init__(
        self, settings: dict[str, Any], count: int, *, remote: int = 0, address: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._settings = settings
        self._count = count
        self._remote = remote
        self._address = address
        self._port = port
        self._processes: list[subprocess.Popen[bytes]] = []
        self._rest = b""

    def __enter__(self) -> Generators:
        check_locust()
        try:
            if self._count == 1 and not self._remote:
                self._start(Begin("local", self._settings))
                return self
            port = self._port or _free_port()
            workers = self._count + self._remote
            self._start(Begin("master", self._settings, self._address, port, workers))
            for _ in range(self._count):
                self._start(Begin("worker", self._settings, "127.0.0.1", port))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def measure(
        self, users: int, warm_up_seconds: float, measure_seconds: float, enough: Callable[[], bool]
    ) -> Measured | None:
        """Have so many users, and count. None where ``enough`` ended it. Raises OperatorError when a process ended."""
        first = self._processes[0]
        assert first.stdin is not None and first.stdout is not None
        command = msgspec.json.encode(Command(users, warm_up_seconds, measure_seconds)) + b"\n"
        with suppress(BrokenPipeError):
            first.stdin.write(command)
            first.stdin.flush()
        end = time.monotonic() + warm_up_seconds + measure_seconds + _SLACK_SECONDS
        while b"\n" not in self._rest:
            if enough():
                return None
            if time.monotonic() > end or not self._read(first.stdout.fileno()):
                raise OperatorError("the load generator has ended or hangs", "see its message above; try fewer users")
        line, _, self._rest = self._rest.partition(b"\n")
        found = msgspec.json.decode(line, type=Measured)
        if found.error is not None:
            raise OperatorError(found.error, "start `slotwise load worker --master HOST:PORT` on the other machines")
        return found

    def stop(self) -> None:
        """End every process and wait for it. The users vanish at once."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def _read(self, fd: int) -> bool:
        """Take what has arrived; False when nothing will any more."""
        if not select.select([fd], [], [], _TICK_SECONDS)[0]:
            return self._processes[0].poll() is None
        chunk = os.read(fd, _CHUNK_BYTES)
        self._rest += chunk
        return bool(chunk)

    def _start(self, begin: Begin) -> None:
        # A ^C of the terminal is for the caller, who ends these in order.
        process = subprocess.Popen(
            [sys.executable, "-m", "slotwise.loadtest.locust_engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._processes.append(process)
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(begin) + b"\n")
        process.stdin.flush()


def check_locust() -> None:
    """Raises OperatorError where the extra is missing. Does not import it: Locust patches the standard library."""
    from importlib.util import find_spec

    if find_spec("locust") is None or find_spec("websocket") is None:
        raise OperatorError("load over HTTP needs Locust, which is not installed", "pip install 'slotwise[load]'")


def serve_master(settings: dict[str, Any], address: str, port: int) -> int:
    """Be a worker of a master elsewhere until it ends or a signal comes; the process's exit status."""
    check_locust()
    worker = subprocess.Popen(
        [sys.executable, "-m", "slotwise.loadtest.locust_engine"], stdin=subprocess.PIPE, start_new_session=True
    )
    assert worker.stdin is not None
    try:
        worker.stdin.write(msgspec.json.encode(Begin("worker", settings, address, port)) + b"\n")
        worker.stdin.flush()
        return worker.wait()
    finally:
        with suppress(BrokenPipeError):
            worker.stdin.close()
        try:
            worker.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
