"""Tells what happens, in numbered steps, on standard error."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TextIO

_BOLD, _DIM, _OFF = "\033[1m", "\033[2m", "\033[0m"


class Narrator:
    """Writes to ``out``; ``steps`` is how many there will be. Colours only on a terminal, and not with NO_COLOR."""

    def __init__(self, steps: int, out: TextIO | None = None) -> None:
        self._steps = steps
        self._out = out or sys.stderr
        self._step = 0
        self._started = time.monotonic()
        self._colour = self._out.isatty() and "NO_COLOR" not in os.environ

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._started

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._step += 1
        self._write(f"\n{self._styled(_BOLD, f'[{self._step}/{self._steps}] {title}')}\n")

    def say(self, text: str) -> None:
        """A line within the step."""
        self._write(f"      {text}\n" if text else "\n")

    def command(self, words: Sequence[str]) -> None:
        """A command that runs now, as one would type it."""
        self._write(f"      {self._styled(_DIM, '$ ' + ' '.join(words))}\n\n")

    def _styled(self, style: str, text: str) -> str:
        return f"{style}{text}{_OFF}" if self._colour else text

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
