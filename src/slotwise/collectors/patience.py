"""Waits for what reads files, but not for ever: a network file system whose server is gone never answers.

A read that hangs cannot be interrupted, so it is left behind in a daemon thread: the process ends without it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from slotwise.errors import OperatorError

_Answer = TypeVar("_Answer")


class NoAnswer(Exception):
    """The time was up before the action had ended."""


class _Reader(threading.Thread, Generic[_Answer]):
    def __init__(self, action: Callable[[], _Answer]) -> None:
        super().__init__(name="reader of files", daemon=True)
        self._action = action
        self.answers: list[_Answer] = []
        self.mistake: OperatorError | None = None

    def run(self) -> None:
        try:
            self.answers.append(self._action())
        except OperatorError as error:
            self.mistake = error


def within(seconds: float, action: Callable[[], _Answer]) -> _Answer:
    """What ``action`` returns.

    Raises NoAnswer when it has not ended after ``seconds``, and the OperatorError that it raised. RuntimeError when it
    met a bug, whose traceback the thread has printed.
    """
    reader = _Reader(action)
    reader.start()
    reader.join(seconds)
    if reader.mistake is not None:
        raise reader.mistake
    if reader.answers:
        return reader.answers[0]
    if reader.is_alive():
        raise NoAnswer
    raise RuntimeError("a reader of files ended without an answer")
