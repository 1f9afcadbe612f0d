"""Shares a list of work among this process and forked copies of it, each taking the next piece when it is free.

A forked copy has everything imported already and inherits the list, so that a piece costs two bytes from a pipe; a
pool of :mod:`multiprocessing` costs 30 ms before it does anything, as much as reading a thousand files.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# All numbers lie in the pipe before anybody reads. Linux gives a pipe as little as one page once a user has many
# (pipe(7), pipe-user-pages-soft), and 1,024 numbers of two bytes are half of that.
_MOST_PIECES = 1_024
_NUMBER_BYTES = 2
_READ_BYTES = 1 << 20


def share(items: Sequence[_Item], work: Callable[[_Item], _Result], processes: int) -> Generator[_Result, None, None]:
    """``work(item)`` for each of ``items``, in any order, by this process and ``processes`` - 1 others.

    Results of the others are pickled. What another process did not deliver, because it was killed or ``work`` raised,
    is done again here, so that the exception is raised where it can be read. Where there is no fork, all is done here.
    """
    processes = min(processes, len(items))
    if processes < 2 or not hasattr(os, "fork"):
        yield from map(work, items)
        return
    pieces = [items[start::_MOST_PIECES] for start in range(min(_MOST_PIECES, len(items)))]
    queue, writing = os.pipe()
    os.write(writing, b"".join(number.to_bytes(_NUMBER_BYTES, "big") for number in range(len(pieces))))
    os.close(writing)
    others = [_start(pieces, work, queue) for _ in range(processes - 1)]
    try:
        left = set(range(len(pieces)))
        for number in _numbers(queue):
            left.discard(number)
            yield from map(work, pieces[number])
        while others:
            delivered: dict[int, list[_Result]] = _collected(*others.pop())
            left -= delivered.keys()
            for results in delivered.values():
                yield from results
        for number in sorted(left):
            yield from map(work, pieces[number])
    finally:
        os.close(queue)
        for pid, reading in others:  # nobody waits for them any more
            os.close(reading)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _start(pieces: list[Sequence[_Item]], work: Callable[[_Item], _Result], queue: int) -> tuple[int, int]:
    """Fork a copy that works until the queue is empty; its process id, and where its results will be."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    failed = 1
    try:  # nothing of the copy may go up the stack: the callers above are the other process's
        import pickle

        done = {number: [work(item) for item in pieces[number]] for number in _numbers(queue)}
        with os.fdopen(writing, "wb") as stream:
            stream.write(pickle.dumps(done, pickle.HIGHEST_PROTOCOL))
        failed = 0
    finally:
        os._exit(failed)


def _numbers(queue: int) -> Iterator[int]:
    while number := os.read(queue, _NUMBER_BYTES):
        yield int.from_bytes(number, "big")


def _collected(pid: int, reading: int) -> dict[int, list[_Result]]:
    """What a copy delivered by the number of the piece; nothing when it did not come to its end."""
    import pickle

    parts = []
    try:
        while part := os.read(reading, _READ_BYTES):
            parts.append(part)
    finally:
        os.close(reading)
        _, status = os.waitpid(pid, 0)
    delivered: dict[int, list[_Result]] = pickle.loads(b"".join(parts)) if status == 0 else {}
    return delivered
