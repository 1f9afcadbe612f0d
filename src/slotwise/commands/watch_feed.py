"""Where the screen's values come from: what every feed can be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from slotwise.commands.watch import Session, Watched


class NoLook(Exception):
    """This look (or act) gave nothing: why, in words. The next one may succeed."""


class Feed(Protocol):
    """Where the screen's values come from. ``live`` is False where every look gives the same until it is moved."""

    live: bool

    def look(self) -> Watched:
        """The next look; blocks until it is there. Raises NoLook where it gave nothing."""
        ...

    def saved(self) -> bytes:
        """The snapshot of the last look as JSON. Raises NoLook where there was none."""
        ...

    def keep(self, path: Path | None) -> str:
        """Record every further look to a history file, or no longer (None). What was done, in words. Raises NoLook."""
        ...

    def end(self, session: Session, *, only_cancel: bool) -> str:
        """Cancel the session's statement, or end the session. What became of it, in words. Raises NoLook."""
        ...

    def close(self) -> None:
        """End what it runs on."""
        ...
