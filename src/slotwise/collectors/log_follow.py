"""Follows logs while they are written, through rotation: a new file under the name, or the same one cut short."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from slotwise.collectors.log_scanner import Scanner
from slotwise.walls.events import LogEvent

POLL_SECONDS = 0.2
SETTLE_SECONDS = 0.5
"""A record is told when its log was silent for this long: a traceback may still be on its way."""


class FollowedLog:
    """One log. ``from_start`` reads what is there already; else only what comes from now on."""

    def __init__(self, path: Path, from_start: bool = False) -> None:
        self._path = path
        self._events: list[LogEvent] = []
        self._file: BinaryIO | None = None
        self._inode = -1
        self._fed_at = 0.0
        self._waiting = False
        self._scanner = self._new_scanner()
        self._open(at_end=not from_start)

    def poll(self) -> list[LogEvent]:
        """Everything that was told since the last call."""
        self._read()
        if self._replaced():
            # What was still written to the old file is read first; then the new one from its beginning.
            self._read()
            self._scanner.feed(b"", final=True)
            self._scanner = self._new_scanner()
            self._open(at_end=False)
            self._read()
        if self._waiting and time.monotonic() - self._fed_at > SETTLE_SECONDS:
            self._scanner.settle()
            self._waiting = False
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _new_scanner(self) -> Scanner:
        return Scanner(str(self._path), time.time(), lambda event: self._events.append(event))

    def _open(self, *, at_end: bool) -> None:
        self.close()
        try:
            self._file = self._path.open("rb", buffering=0)
        except FileNotFoundError:
            return
        self._inode = self._path.stat().st_ino
        if at_end:
            self._file.seek(0, 2)

    def _read(self) -> None:
        if self._file is None:
            self._open(at_end=False)
            if self._file is None:
                return
        while data := self._file.read(1 << 20):
            self._scanner.feed(data)
            self._fed_at = time.monotonic()
            self._waiting = True

    def _replaced(self) -> bool:
        """True when another file has the name now, or the file is shorter than what was read (copytruncate)."""
        if self._file is None:
            return False
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return False
        return status.st_ino != self._inode or status.st_size < self._file.tell()


def follow(
    paths: list[Path], *, from_start: bool = False, stopped: Callable[[], bool] = lambda: False
) -> Iterator[LogEvent]:
    """Events of all logs as they are written, until ``stopped`` says so (it is asked a few times a second)."""
    logs = [FollowedLog(path, from_start) for path in paths]
    try:
        while not stopped():
            idle = True
            for log in logs:
                for event in log.poll():
                    idle = False
                    yield event
            if idle:
                time.sleep(POLL_SECONDS)
    finally:
        for log in logs:
            log.close()
