"""Runs what may hang in processes of its own, so that an answer within the deadline never depends on it.

A connection attempt can hang where nothing can interrupt it: in the resolver, in a server that accepts and then stands
still. A thread that hangs cannot be ended; a process can. One helper process is forked at once and imports the
database driver while this process looks at /proc (the import costs more than the whole collection); each job then runs
in a fork of the helper, with a timer that the kernel keeps. Closing a Workshop leaves none of them behind.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from msgspec import Struct

_MESSAGE_BYTES = 1 << 18
_CHUNK_BYTES = 1 << 16
_BUG = b"\x00"
"""First byte of a message that is no answer but the traceback of a bug; no JSON begins like that."""


Perform = Callable[[bytes, Callable[[bytes], None]], None]
"""Does a job: takes its bytes and a function that sends a line of the answer; each line stands for all before it."""


class Pending:
    """The answer of one job, as it arrives: lines, each of which replaces the one before."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.received = b""
        self.ended = False
        self.ended_at: float | None = None

    @property
    def last(self) -> bytes | None:
        """The last whole line so far; None when there is none. What a job said before it hung is not lost."""
        lines = self.received.split(b"\n")[:-1]
        return lines[-1] if lines else None


class Workshop:
    """Runs jobs in processes of their own.

    Make it before any thread: it forks. A context manager; at its end every process of it is gone.
    """

    def __init__(self, perform: Perform, prepare: Callable[[], None]) -> None:
        """Fork the helper, which calls ``prepare`` (the slow import) and then waits for jobs."""
        self._pending: list[Pending] = []
        self._jobs, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._jobs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MESSAGE_BYTES)
        self._pid = os.fork()
        if self._pid == 0:
            _in_child(lambda: _serve(theirs, self._jobs, perform, prepare))
        theirs.close()
        _own_group(self._pid)

    def __enter__(self) -> Workshop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, job: Struct, seconds: float) -> Pending:
        """Start a job; the kernel ends its process after ``seconds``."""
        import msgspec

        reader, writer = os.pipe()
        pending = Pending(reader)
        self._pending.append(pending)
        try:
            head = f"{max(seconds, 0.001):.3f}\n".encode()
            socket.send_fds(self._jobs, [head + msgspec.json.encode(job)], [writer])
        except OSError:
            # The helper is gone (killed from outside): the job will never answer, and that is what is reported.
            pending.ended = True
        finally:
            os.close(writer)
        return pending

    def wait(
        self, jobs: tuple[Pending, ...], seconds: float, now: Callable[[], float], *, first_line: bool = False
    ) -> None:
        """Read until every job has ended (or said its first line) or ``seconds`` have passed on the clock ``now``.

        Raises RuntimeError with the traceback when a job met a bug.
        """
        end = now() + seconds
        with selectors.DefaultSelector() as selector:
            for job in jobs:
                if not (job.ended or (first_line and job.last is not None)):
                    selector.register(job.descriptor, selectors.EVENT_READ, job)
            while selector.get_map():
                left = end - now()
                ready = selector.select(max(left, 0))
                if not ready and left <= 0:
                    break
                for key, _ in ready:
                    chunk = os.read(key.fd, _CHUNK_BYTES)
                    key.data.received += chunk
                    if not chunk:
                        key.data.ended = True
                        key.data.ended_at = now()
                    if not chunk or (first_line and key.data.last is not None):
                        selector.unregister(key.fd)
        for job in jobs:
            if job.last is not None and job.last.startswith(_BUG):
                raise RuntimeError(job.last[1:].decode("utf-8", "replace").replace("\r", "\n"))

    def close(self) -> None:
        """End every process of this workshop and wait for the helper. Safe to call twice."""
        if self._pid == 0:
            return
        self._jobs.close()
        for job in self._pending:
            os.close(job.descriptor)
        self._pending = []
        try:
            os.killpg(self._pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except PermissionError:
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._pid = 0


def _own_group(pid: int) -> None:
    """A process group for the helper and its jobs: ^C reaches only the parent, which ends them all together."""
    try:
        os.setpgid(pid, pid)
    except (ProcessLookupError, PermissionError):
        # The child did it first, or is gone.
        return


def _in_child(body: Callable[[], None]) -> NoReturn:
    """Run ``body`` in a fresh fork. It never returns into the parent's code, and never flushes the parent's buffers."""
    status = 1
    try:
        body()
        status = 0
    finally:
        os._exit(status)


def _serve(jobs: socket.socket, parents_end: socket.socket, perform: Perform, prepare: Callable[[], None]) -> None:
    """The helper: a fork for each job that arrives, until the parent is gone."""
    parents_end.close()
    _own_group(0)
    _silence()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    prepare()
    while True:
        message, descriptors, _, _ = socket.recv_fds(jobs, _MESSAGE_BYTES, 1)
        if not message:
            return
        head, _, job = message.partition(b"\n")
        writer = descriptors[0]
        if os.fork() == 0:
            signal.setitimer(signal.ITIMER_REAL, float(head))
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            jobs.close()
            _in_child(lambda job=job, writer=writer: _answer(perform, job, writer))  # type: ignore[misc]
        os.close(writer)


def _silence() -> None:
    """Let go of the parent's streams: whoever reads them must not wait for this process."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _answer(perform: Perform, job: bytes, writer: int) -> None:
    """Perform one job; the traceback of a bug that it meets is sent too."""

    def tell(line: bytes) -> None:
        view = memoryview(line + b"\n")
        while view:
            view = view[os.write(writer, view) :]

    try:
        perform(job, tell)
    finally:
        if sys.exc_info()[0] is not None:
            import traceback

            tell(_BUG + traceback.format_exc().replace("\n", "\r").encode())
