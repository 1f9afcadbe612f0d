"""Looks at a live system from a process of its own: collecting forks, which a process with threads must not do, and
neither a frozen server nor minutes of judging may hold up the screen."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from slotwise.collectors.runner import Request
from slotwise.commands.watch import Session, Watched, Watcher
from slotwise.commands.watch_feed import NoLook
from slotwise.commands.watch_past import end_session_of, remembered
from slotwise.errors import OperatorError
from slotwise.forecast.series import Sample
from slotwise.history.sampler import Sampler
from slotwise.history.store import HistoryUnavailable, Store
from slotwise.snapshot.json_form import to_json
from slotwise.snapshot.model import Snapshot

PATIENCE_SECONDS = 30.0
"""Beyond the collection's own deadline: judging thousands of sessions takes seconds."""


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

    def keep(self, path: Path | None) -> str:
        """Raises NoLook: a saved system has no further looks."""
        raise NoLook("a saved snapshot does not change: there is nothing to record")

    def end(self, session: Session, *, only_cancel: bool) -> str:
        """Raises NoLook: what was saved is over."""
        raise NoLook("this is a saved snapshot: there is no session to end")

    def close(self) -> None:
        """Nothing runs."""


class _Look(msgspec.Struct, frozen=True, tag="look"):
    """Look once."""


class _Save(msgspec.Struct, frozen=True, tag="save"):
    """Hand out the last snapshot."""


class _Keep(msgspec.Struct, frozen=True, tag="keep"):
    """Record to a file from now on, or no longer."""

    path: str | None


class _End(msgspec.Struct, frozen=True, tag="end"):
    """End one session, or cancel its statement."""

    pid: int
    started: float
    only_cancel: bool


_Order = _Look | _Save | _Keep | _End


class _Words(msgspec.Struct, frozen=True):
    done: str | None
    problem: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    watched: Watched | None
    problem: str | None
    remedy: str | None = None


class LiveFeed:
    """A live system, looked at by a process that is started anew where it died or hangs."""

    live = True

    def __init__(self, request: Request, history: Path | None = None) -> None:
        """``history``: a recorded one to begin with, where it is this server's; nothing is written to it."""
        self._request = request
        self._history = history
        self._past: tuple[Sample, ...] = ()
        self._kept: Path | None = None
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._decoder = msgspec.msgpack.Decoder(_Answer)
        # Now and not later: it hands its stderr on, and under the screen that one has no file descriptor.
        resource_tracker.ensure_running()

    def look(self) -> Watched:
        """The next look. Raises NoLook where the system, the looking process or its pipe gave nothing."""
        answer = self._decoder.decode(self._ask(_Look()))
        if answer.watched is None:
            raise NoLook(f"{answer.problem} ({answer.remedy})" if answer.remedy else answer.problem or "no answer")
        self._past = tuple(Sample(at, used) for at, used in answer.watched.drawn)
        return answer.watched

    def saved(self) -> bytes:
        """The snapshot of the last look. Raises NoLook where there was none."""
        content = self._ask(_Save()) if self._pipe is not None else b""
        if not content:
            raise NoLook("nothing was seen yet")
        return content

    def keep(self, path: Path | None) -> str:
        """Record every further look to ``path``, or no longer. Raises NoLook where it cannot be written."""
        said = self._done(_Keep(None if path is None else str(path)))
        self._kept = path
        return said

    def end(self, session: Session, *, only_cancel: bool) -> str:
        """Cancel a session's statement, or end it, behind reap's guards, by the connection string that was given."""
        if session.started is None:
            raise NoLook("when it began is not visible, so it cannot be told from another one with its pid")
        return self._done(_End(session.pid, session.started, only_cancel))

    def _done(self, order: _Order) -> str:
        words = msgspec.msgpack.decode(self._ask(order), type=_Words)
        if words.done is None:
            raise NoLook(words.problem or "no answer")
        return words.done

    def _ask(self, order: _Order) -> bytes:
        pipe = self._started()
        try:
            pipe.send_bytes(msgspec.msgpack.encode(order))
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
            process = context.Process(
                target=_serve, args=(there, self._request, self._past, self._history), daemon=True
            )
            process.start()
            there.close()
            self._process, self._pipe = process, here
            if self._kept is not None:
                # Another one took its place: it goes on recording.
                self._done(_Keep(str(self._kept)))
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


def _serve(pipe: Connection, request: Request, past: tuple[Sample, ...], history: Path | None) -> None:
    """The looking process: one answer for each order, until the screen is gone. Its own words must not reach the
    terminal."""
    silence = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(silence, descriptor)
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 lives as long as the process
    looking = _Looking(request, past, history)
    orders = msgspec.msgpack.Decoder(_Order)
    try:
        while True:
            pipe.send_bytes(looking.perform(orders.decode(pipe.recv_bytes())))
    except (EOFError, OSError, KeyboardInterrupt):
        return
    finally:
        looking.close()


class _Looking:
    """Collects and thinks, keeps the last snapshot so that it can be saved, records and ends sessions on request."""

    def __init__(self, request: Request, past: tuple[Sample, ...], history: Path | None) -> None:
        # One held connection: a server that fills up while it is watched does not shut the screen out.
        self._sampler = Sampler(request, request.timeout_seconds / 0.8)
        self._dsn = request.dsn
        self._last: Snapshot | None = None
        self._store: Store | None = None
        self._watcher = Watcher(self._look, time.monotonic, past, partial(remembered, history))

    def perform(self, order: _Order) -> bytes:
        if isinstance(order, _Look):
            answer = _answer(self._watcher.look)
            self._record(answer)
            return msgspec.msgpack.encode(answer)
        if isinstance(order, _Save):
            return b"" if self._last is None else to_json(self._last)
        if isinstance(order, _Keep):
            return msgspec.msgpack.encode(_told(lambda: self._keep(order.path)))
        return msgspec.msgpack.encode(_told(lambda: self._end(order)))

    def close(self) -> None:
        self._sampler.close()
        if self._store is not None:
            self._store.close()

    def _look(self) -> Snapshot:
        self._last = self._sampler.look()
        return self._last

    def _record(self, answer: _Answer) -> None:
        if self._store is None or answer.watched is None or self._watcher.round is None:
            return
        with suppress(HistoryUnavailable):
            self._store.append(self._watcher.round)

    def _keep(self, path: str | None) -> str:
        if self._store is not None:
            self._store.close()
            done, self._store = f"recorded to {self._store.path}", None
            if path is None:
                return done
        if path is None:
            return "nothing was being recorded"
        self._store = Store(Path(path))
        return f"recording to {path}; slotwise watch --history {Path(path).name} replays it"

    def _end(self, order: _End) -> str:
        if self._dsn is None:
            problem = "watch was started without --dsn, so it has no role to end sessions with"
            raise OperatorError(problem, "start it with --dsn of a role that has pg_signal_backend")
        return end_session_of(self._sampler.look(), order.pid, order.started, self._dsn, only_cancel=order.only_cancel)


def _told(act: Callable[[], str]) -> _Words:
    try:
        return _Words(act())
    except OperatorError as error:
        return _Words(None, f"{error.problem} ({error.remedy})")


def _answer(look: Callable[[], Watched]) -> _Answer:
    try:
        return _Answer(look(), None)
    except OperatorError as error:
        return _Answer(None, error.problem, error.remedy)
