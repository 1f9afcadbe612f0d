"""What this host showed, kept from round to round as long as nothing in it can have changed that counts.

Sweeping /proc, sockets and files costs more than everything else in a round of a sampler. What it is needed for is to
say who holds which session, and which sessions hold a slot without being in pg_stat_activity (those that still
authenticate, before PostgreSQL 18). Both can only change when a server's processes change, or when the sessions do:
the kernel lists a postmaster's children in one small file, and the sessions are asked for in every round anyway.
Where they did change, a new look takes over the processes of sessions that stayed, and for half a minute memory and
the servers' files; where pg_stat_activity cannot be read, or hides states from this role, it takes over nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from slotwise.collectors.earlier_look import EarlierLook
from slotwise.collectors.host_evidence import HostEvidence
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.ownership import STARTING
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.postgres import CLIENT_BACKEND, Activity, Titles
from slotwise.snapshot.processes import ServerProcesses

KEPT_SECONDS = 30.0
"""How old it may be although nothing has changed: memory, logs, configuration files and processes without a session."""
STANDING_SECONDS = 300.0
"""How long the process of a session that stays is known again by its place in /proc alone. Nothing of it changes while
it lives but the state in its title, and that is not used where pg_stat_activity shows the states itself."""
_Sessions = frozenset[tuple[object, ...]]


class RememberedHost:
    """The newest look at this host. For one thread."""

    def __init__(
        self,
        look: Callable[[EarlierLook | None], HostEvidence],
        *,
        root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``look`` is the costly one, which may take over what it gets; ``root`` is where /proc is, but in tests."""
        self._look = look
        self._root = root
        self._clock = clock
        self._evidence: HostEvidence | None = None
        self._looked_at = 0.0
        self._server: int | None = None
        self._children: dict[int, str | None] = {}
        self._sessions: _Sessions | None = None
        self._kept = False
        self._earlier: EarlierLook | None = None
        self._took_over = False
        self._whole_at = 0.0
        self._measured_at = 0.0

    def evidence(self) -> HostEvidence:
        """What is remembered where that may still stand, else a new look. Raises OperatorError where ``look`` does."""
        if self._evidence is not None and self._may_stand(self._evidence):
            self._kept = True
            return self._evidence
        return self.anew()

    def anew(self) -> HostEvidence:
        """A new look. Raises OperatorError where ``look`` does."""
        self._kept, self._evidence, self._sessions = False, None, None
        self._looked_at = self._clock()
        if self._looked_at - self._whole_at >= STANDING_SECONDS:
            self._earlier = None
        self._took_over = self._earlier is not None
        if self._earlier is None:
            self._whole_at = self._measured_at = self._looked_at
        elif self._looked_at - self._measured_at >= KEPT_SECONDS:
            self._earlier = EarlierLook(self._earlier.sessions)
            self._measured_at = self._looked_at
        found = self._look(self._earlier)
        self._earlier = found.earlier
        self._children = {pid: children_of(pid, self._root) for pid in found.titles}
        self._evidence = found
        return found

    def agrees(self, snapshot: Snapshot) -> bool:
        """Whether the evidence belongs to the sessions of ``snapshot``: to the same backends, and to the same
        clients of PgBouncers, as when it was new. Always where it is new: then they are remembered.

        Where sessions could not be read, what is remembered does not agree: what the host shows is then all there is,
        and it must be of now.
        """
        seen = _sessions_of(snapshot)
        if not isinstance(snapshot.activity, Activity) or snapshot.activity.masked:
            self._earlier = None
            if self._took_over:
                self._took_over = False
                return False
        if not self._kept:
            self._sessions = seen if _complete(snapshot) else None
            servers = snapshot.server_processes
            self._server = servers.chosen if isinstance(servers, ServerProcesses) else None
            return True
        return seen is not None and seen == self._sessions

    def _may_stand(self, kept: HostEvidence) -> bool:
        if self._sessions is None or self._clock() - self._looked_at >= KEPT_SECONDS:
            return False
        if self._server is None:
            # The server is on another host: what it does, its sessions say.
            return True
        titles = kept.titles.get(self._server)
        if titles is None or any(b.state in STARTING for b in titles.backends):
            return False
        now = children_of(self._server, self._root)
        return now is not None and now == self._children.get(self._server)


def children_of(pid: int, root: Path = Path("/")) -> str | None:
    """The kernel's list of a process's children (proc(5), /proc/pid/task/tid/children; Linux 4.2 and later, where built
    with CONFIG_PROC_CHILDREN). None where it cannot be read."""
    try:
        return (root / f"proc/{pid}/task/{pid}/children").read_text("ascii")
    except OSError:
        return None


def _complete(snapshot: Snapshot) -> bool:
    """Whether the look saw every session that the server has told of: one that came while it looked is owned by nobody
    in it."""
    if not isinstance(snapshot.titles, Titles) or not isinstance(snapshot.activity, Activity):
        return True
    seen = {b.pid for b in snapshot.titles.backends}
    return all(b.pid in seen for b in snapshot.activity.backends if b.backend_type == CLIENT_BACKEND)


def _sessions_of(snapshot: Snapshot) -> _Sessions | None:
    """Each backend by pid and start, each client of a PgBouncer by its address; None where sessions were not read."""
    if not isinstance(snapshot.activity, Activity):
        return None
    found: set[tuple[object, ...]] = {(b.pid, b.backend_start) for b in snapshot.activity.backends}
    if isinstance(snapshot.pgbouncers, PgBouncers):
        found.update((p.address, c.addr, c.port, c.ptr) for p in snapshot.pgbouncers.pgbouncers for c in p.clients)
    return frozenset(found)
