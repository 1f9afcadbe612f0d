"""Looks at the slots from a process of its own, so that looking does not disturb the generator's clock.

``python -m slotwise.loadtest.observer`` reads one line, an Order, and writes a Round as a line of JSON for each look,
until its standard input ends.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType

import msgspec

from slotwise.collectors.runner import Request
from slotwise.history.sample import round_of
from slotwise.history.sampler import Sampler
from slotwise.snapshot.round import Round

_CHUNK_BYTES = 1 << 16
_END_SECONDS = 1.0
"""A look under way may end by itself; ^C does not wait longer for it."""
LONGEST_LOOK_SECONDS = 8.0
OWN_SESSIONS = 1
"""The observer holds one slot itself; a superuser's may be in the reserve, which is what that is for."""
_ROUND = msgspec.json.Decoder(Round)


class Order(msgspec.Struct, frozen=True):
    """What to look at and how often, in seconds."""

    request: Request
    interval_seconds: float


class Observer:
    """A running observer; a context manager. ``take`` gives the looks that have arrived."""

    def __init__(self, request: Request, interval_seconds: float) -> None:
        self._order = Order(request, interval_seconds)
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def __enter__(self) -> Observer:
        words = [sys.executable, "-m", "slotwise.loadtest.observer"]
        # In a session of its own: a ^C of the terminal is for the caller, who ends this in order.
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(self._order) + b"\n")
        self._process.stdin.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @property
    def fd(self) -> int:
        """Readable when a look has arrived."""
        assert self._process is not None and self._process.stdout is not None
        return self._process.stdout.fileno()

    def take(self, seconds: float = 0.0) -> list[Round]:
        """The looks since the last call; waits for the first for at most ``seconds``."""
        found: list[Round] = []
        while select.select([self.fd], [], [], 0.0 if found else seconds)[0]:
            chunk = os.read(self.fd, _CHUNK_BYTES)
            if not chunk:
                break
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            found += [_ROUND.decode(line) for line in lines]
        return found


def main() -> None:
    """Look until standard input ends."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    # A look may take as long as it needs: on a machine under load a late one is worth more than none.
    with Sampler(order.request, LONGEST_LOOK_SECONDS) as sampler:
        while not ended.is_set():
            began = time.monotonic()
            snapshot = sampler.look()
            try:
                sys.stdout.buffer.write(msgspec.json.encode(round_of(snapshot)) + b"\n")
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                break
            ended.wait(max(0.0, began + order.interval_seconds - time.monotonic()))
    # What is left in the buffer has no reader.
    os._exit(0)


if __name__ == "__main__":
    main()
