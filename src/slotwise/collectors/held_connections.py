"""Keeps the connections of a long-running slotwise: one to PostgreSQL, ever, and one to each PgBouncer's console.

Each is held by a process of its own (held_session.py), because a connection attempt can hang where nothing can
interrupt it, and because peer authentication needs another OS user. A server that does not answer in time is waited for
in the next round over the same connection; its late answer is thrown away and the question asked again.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType

import msgspec
from msgspec import Struct

from slotwise.collectors.isolation import Pending
from slotwise.collectors.pg_session import PostgresJob
from slotwise.collectors.pg_target import Target
from slotwise.collectors.pgbouncer_session import PgBouncerJob

_CHUNK_BYTES = 1 << 16
_ANSWERED = b'{"step":"complete"'
_LET_GO = b'"let_go":true}'
_NOWHERE = -1


class HeldConnections:
    """A shop (attempts.Shop) whose connections last. For one thread; a context manager."""

    def __init__(self) -> None:
        self._primary: Target | None = None
        self._first_of_round = False
        self._held: _Holder | None = None
        self._postgres: dict[str, _Holder] = {}
        self._consoles: dict[str, _Holder] = {}

    def __enter__(self) -> HeldConnections:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin_round(self) -> None:
        """The next PostgresJob is the first of a round: it is answered over whatever connection is held."""
        self._first_of_round = True

    def submit(self, job: Struct, seconds: float) -> Pending:
        """Hand a job to the process that holds the connection it needs, or to a new one."""
        assert isinstance(job, PostgresJob | PgBouncerJob)
        holder = self._console(job.target) if isinstance(job, PgBouncerJob) else self._server(job.target)
        return holder.submit(msgspec.json.encode(job) + b"\n")

    def wait(
        self, jobs: tuple[Pending, ...], seconds: float, now: Callable[[], float], *, first_line: bool = False
    ) -> None:
        """Read answers until every job has ended (or said its first line) or ``seconds`` have passed on ``now``."""
        end = now() + seconds
        while True:
            open_jobs = [j for j in jobs if not (j.ended or (first_line and j.last is not None))]
            holders = {h for h in self._all() if h.owes(open_jobs)}
            if not holders:
                break
            left = end - now()
            with selectors.DefaultSelector() as selector:
                for holder in holders:
                    selector.register(holder.descriptor, selectors.EVENT_READ, holder)
                ready = selector.select(max(left, 0))
                for key, _ in ready:
                    key.data.read(now)
            # What arrived while something else took all the time is read all the same.
            if not ready and left <= 0:
                break
        self._settle()

    def close(self) -> None:
        """End every process that holds a connection, and with it the connection. Safe to call twice."""
        for holder in self._all():
            holder.close()
        self._postgres, self._consoles, self._held = {}, {}, None

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that hold connections."""
        return tuple(h.pid for h in self._all())

    def _all(self) -> list[_Holder]:
        return [*self._postgres.values(), *self._consoles.values()]

    def _server(self, target: Target) -> _Holder:
        first, self._first_of_round = self._first_of_round, False
        if first and target != self._primary:
            # Odoo has been given another server, or other credentials: what is held belongs to the old ones.
            self._end_postgres(keep=None)
            self._primary = target
        if first and self._held is not None and not self._held.ended:
            return self._held
        return _of(self._postgres, target)

    def _console(self, target: Target) -> _Holder:
        return _of(self._consoles, target)

    def _settle(self) -> None:
        """Keep the connection that answered, and no other one beside it."""
        for holder in list(self._postgres.values()):
            if holder.answered and holder is not self._held:
                self._end_postgres(keep=holder)
                self._held = holder

    def _end_postgres(self, keep: _Holder | None) -> None:
        for key, holder in list(self._postgres.items()):
            if holder is not keep:
                holder.close()
                del self._postgres[key]
        self._held = keep


class _Holder:
    """One process with one connection, and the job that it is at."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "slotwise.collectors.held_session"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.descriptor = self._process.stdout.fileno()
        self.pid = self._process.pid
        self.ended = False
        self.answered = False
        """Whether the last answer was whole: then a connection is held."""
        self._rest = b""
        self._current: Pending | None = None
        self._queued: tuple[bytes, Pending] | None = None

    def submit(self, line: bytes) -> Pending:
        pending = Pending(_NOWHERE)
        if self._current is None:
            self._begin(line, pending)
        else:
            # Still at the last question: how far that came is how far this one comes unless an answer arrives.
            pending.received = (self._current.last or b"") + b"\n" if self._current.last else b""
            self._queued = (line, pending)
        return pending

    def owes(self, jobs: list[Pending]) -> bool:
        queued = self._queued[1] if self._queued else None
        return not self.ended and any(j is self._current or j is queued for j in jobs)

    def read(self, now: Callable[[], float]) -> None:
        """Take what has arrived: lines of the current job, an empty line at its end."""
        chunk = os.read(self.descriptor, _CHUNK_BYTES)
        if not chunk:
            self._end(now)
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if line and self._current is not None:
                self._current.received = line + b"\n"
            elif not line:
                self._finish(now)

    def close(self) -> None:
        self.ended = True
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    # What was not yet written has no reader any more.
                    continue

    def _begin(self, line: bytes, pending: Pending) -> None:
        self._current = pending
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            pending.ended, self.ended = True, True

    def _finish(self, now: Callable[[], float]) -> None:
        done = self._current
        self._current = None
        if done is not None:
            done.ended, done.ended_at = True, now()
            last = done.last or b""
            self.answered = last.startswith(_ANSWERED) and not last.endswith(_LET_GO)
        if self._queued is not None:
            (line, pending), self._queued = self._queued, None
            self._begin(line, pending)

    def _end(self, now: Callable[[], float]) -> None:
        """The process is gone: killed, or its server stood still for too long."""
        self.ended, self.answered = True, False
        for pending in (self._current, self._queued[1] if self._queued else None):
            if pending is not None:
                pending.ended, pending.ended_at = True, now()


def _of(holders: dict[str, _Holder], target: Target) -> _Holder:
    key = msgspec.json.encode(target).decode()
    found = holders.get(key)
    if found is None or found.ended:
        if found is not None:
            found.close()
        found = holders[key] = _Holder()
    return found
