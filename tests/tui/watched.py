"""Looks for the screen's tests, and a feed that hands them out one by one."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from msgspec import structs
from textual.pilot import Pilot

from slotwise.commands.watch import Session, Watched, Watcher
from slotwise.commands.watch_feed import NoLook
from slotwise.snapshot.json_form import to_json
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Blocked, Locks
from tests.build import FIRST_HTTP, backend, behind, host, listeners, pgbouncer, topology

DEADLINE_SECONDS = 15.0


def incident(sessions: int = 90) -> Snapshot:
    """Two workers hold everything; 2001 blocks 2002 and 2003; one pool waits."""
    held = [(FIRST_HTTP + n % 2, backend(3000 + n, f"db{n % 3}")) for n in range(max(0, sessions - 3))]
    held += [
        (FIRST_HTTP, backend(2001, "prod", "idle in transaction", xact_for=900, query="UPDATE stock SET x = 1")),
        (
            FIRST_HTTP + 1,
            backend(2002, "prod", "active", xact_for=40, query="UPDATE stock\nSET x = 2", wait=("Lock", "tuple")),
        ),
        (
            FIRST_HTTP + 1,
            backend(2003, "prod", "active", xact_for=20, query="UPDATE [b]s[/b]\x1b[2J", wait=("Lock", "tuple")),
        ),
    ]
    waiting = pgbouncer()
    waiting = structs.replace(
        waiting, pools=(structs.replace(waiting.pools[0], cl_waiting=7, maxwait_seconds=12.0), *waiting.pools[1:])
    )
    snapshot = behind(host([*listeners(), *held], roles=topology()), waiting)
    return structs.replace(snapshot, locks=Locks((Blocked(2002, (2001,)), Blocked(2003, (2001, 0)))))


def watched(snapshot: Snapshot) -> Watched:
    return Watcher(lambda: snapshot, time.monotonic).look()


class Looks:
    """A feed that plays looks in order and then repeats the last; words are a look that gave nothing."""

    live = True

    def __init__(self, *looks: Snapshot | str) -> None:
        self._looks: Iterator[Snapshot | str] = iter(looks)
        self._last: Snapshot | str = looks[0]
        self._seen: dict[float, Watched] = {}
        self.taken = 0
        self.closed = False
        self.kept: list[Path | None] = []
        self.ended: list[tuple[int, bool]] = []

    def look(self) -> Watched:
        self._last = next(self._looks, self._last)
        self.taken += 1
        if isinstance(self._last, str):
            raise NoLook(self._last)
        if self._last.taken_at not in self._seen:
            self._seen[self._last.taken_at] = watched(self._last)
        return self._seen[self._last.taken_at]

    def saved(self) -> bytes:
        if isinstance(self._last, str):
            raise NoLook("nothing was seen yet")
        return to_json(self._last)

    def keep(self, path: Path | None) -> str:
        self.kept.append(path)
        return f"recording to {path}"

    def end(self, session: Session, *, only_cancel: bool) -> str:
        self.ended.append((session.pid, only_cancel))
        return f"{session.pid}: ended"

    def close(self) -> None:
        self.closed = True


def words(pilot: Pilot[None]) -> str:
    """What stands on the screen, line by line."""
    return "\n".join("".join(segment.text for segment in line) for line in pilot.app.screen._compositor.render_strips())


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Wait until ``holds``, or fail with the screen."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < end, words(pilot)
        await pilot.pause(0.02)


Steps = Callable[[Pilot[None]], Awaitable[None]]
