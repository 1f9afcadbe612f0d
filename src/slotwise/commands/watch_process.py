"""Looks at a live system from a process of its own: collecting forks, which a process with threads must not do, and
neither a frozen server nor minutes of judging may hold up the screen."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import msgspec

from slotwise.collectors.runner import Request
from slotwise.commands.watch import Watched, Watcher
from slotwise.errors import OperatorError
from slotwise.forecast.series import Sample
from slotwise.history.sampler import Sampler
from slotwise.snapshot.json_form import to_json
from slotwise.snapshot.model import Snapshot

PATIENCE_SECONDS = 30.0
"""Beyond the collection's own deadline: judging thousands of sessions takes seconds."""
_LOOK, _SAVE = b"look", b"save"


class NoLook(Exception):
    """This look gave nothing: why, in words. The next one may succeed."""


class Feed(Protocol):
    """Where the screen's values come from. ``live`` is False where every look gives the same."""

    live: bool

    def look(self) -> Watched:
        """The next look; blocks until it is there. Raises NoLook where it gave nothing."""
        ...

    def saved(self) -> bytes:
        """The snapshot of the last look as JSON. Raises NoLook where there was none."""
        ...

    def close(self) -> None:
        """End what it runs on."""
        ...


class SavedFeed:
    """A saved system: every look is the same."""

    live = False

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._watched = Watcher(lambda: snapshot, time.monotonic).look()

    def look(self) -> Watched:
        """What the file shows."""
        return self._watched

    def saved(self) -> bytes:
        """The file's own content, in the form of this version."""
        return to_json(self._snapshot)

    def close(self) -> None:
        """Nothing runs."""


class _Answer(msgspec.Struct, frozen=True):
    watched: Watched | None
    problem: str | None
    remedy: str | None = None


class LiveFeed:
    """A live system, looked at by a process that is started anew where it died or hangs."""

    live = True

    def __init__(self, request: Request, past: Sequence[Sample] = ()) -> None:
        self._request = request
        self._past = tuple(past)
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._decoder = msgspec.msgpack.Decoder(_Answer)
        # Now and not later: it hands its stderr on, and under the screen that one has no file descriptor.
        resource_tracker.ensure_running()

    def look(self) -> Watched:
        """The next look. Raises NoLook where the system, the looking process or its pipe gave nothing."""
        answer = self._decoder.decode(self._ask(_LOOK))
        if answer.watched is None:
            raise NoLook(f"{answer.problem} ({answer.remedy})" if answer.remedy else answer.problem or "no answer")
        self._past = tuple(Sample(at, used) for at, used in answer.watched.drawn)
        return answer.watched

    def saved(self) -> bytes:
        """The snapshot of the last look. Raises NoLook where there was none."""
        content = self._ask(_SAVE) if self._pipe is not None else b""
        if not content:
            raise NoLook("nothing was seen yet")
        return content

    def _ask(self, word: bytes) -> bytes:
        pipe = self._started()
        try:
            pipe.send_bytes(word)
            if not pipe.poll(self._request.timeout_seconds + PATIENCE_SECONDS):
                self.close()
                raise NoLook("the looking process did not answer and was ended")
            return pipe.recv_bytes()
        except (EOFError, OSError) as error:
            self.close()
            raise NoLook("the looking process ended; the next look starts another") from error

    def _started(self) -> Connection:
        if self._pipe is None:
            context = multiprocessing.get_context("spawn")
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, self._request, self._past), daemon=True)
            process.start()
            there.close()
            self._process, self._pipe = process, here
        return self._pipe

    def close(self) -> None:
        """End the looking process."""
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.terminate()
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join()


def _serve(pipe: Connection, request: Request, past: tuple[Sample, ...]) -> None:
    """The looking process: one answer for each word, until the screen is gone. Its own words must not reach the
    terminal."""
    silence = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(silence, descriptor)
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 lives as long as the process
    looking = _Looking(request)
    watcher = Watcher(looking.look, time.monotonic, past)
    try:
        while True:
            if pipe.recv_bytes() == _SAVE:
                pipe.send_bytes(looking.saved())
            else:
                pipe.send_bytes(msgspec.msgpack.encode(_answer(watcher.look)))
    except (EOFError, OSError, KeyboardInterrupt):
        return
    finally:
        looking.close()


class _Looking:
    """Collects, and keeps the last snapshot so that it can be saved."""

    def __init__(self, request: Request) -> None:
        # One held connection: a server that fills up while it is watched does not shut the screen out.
        self._sampler = Sampler(request, request.timeout_seconds / 0.8)
        self._last: Snapshot | None = None

    def look(self) -> Snapshot:
        self._last = self._sampler.look()
        return self._last

    def close(self) -> None:
        self._sampler.close()

    def saved(self) -> bytes:
        return b"" if self._last is None else to_json(self._last)


def _answer(look: Callable[[], Watched]) -> _Answer:
    try:
        return _Answer(look(), None)
    except OperatorError as error:
        return _Answer(None, error.problem, error.remedy)
