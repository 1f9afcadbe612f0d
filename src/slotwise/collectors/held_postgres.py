"""One PostgreSQL connection that is kept from round to round, and made again, ever more patiently, when it breaks.

Where it was made as a superuser on a server that was full for everyone else, it stands in a slot of the superusers'
reserve. It is then let go after one look, and made again for another one RESERVE_PAUSE_SECONDS later, until slots are
free: the reserve is kept for whoever must get in to end the incident, and a program that watches must not hold it. In
between, process titles and sockets go on counting. A role with pg_use_reserved_connections keeps what it has:
reserved_connections is for such roles, and PostgreSQL keeps the superusers' slots from them (postinit.c, 16 to 18).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import structs

from slotwise.collectors.pg_failures import Failure
from slotwise.collectors.pg_parts import PostgresParts
from slotwise.collectors.pg_session import PostgresAnswer, PostgresJob, Remembered, ask, connected
from slotwise.snapshot.postgres import CLIENT_BACKEND

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

KEEP_ALIVE = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""A server that vanished from the network is noticed within half a minute (libpq-connect of the documentation)."""
REMEMBER_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
RESERVE_PAUSE_SECONDS = 10.0
IN_RESERVE = Failure(
    "in_reserve",
    "only slots that are kept for superusers are free: the connection was let go, so that it does not hold one",
    "end an idle session; slotwise looks again every 10 s, and keeps its connection when other slots are free",
)


class HeldPostgres:
    """Answers PostgresJobs of one target. Between two failed attempts to connect it pauses: 1 s, 2 s … 30 s."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._connection: Connection | None = None
        self._here: PostgresAnswer | None = None
        self._remembered = Remembered()
        self._remembered_at = 0.0
        self._pause = FIRST_PAUSE_SECONDS
        self._not_before = 0.0
        self._refused: PostgresAnswer | None = None

    def perform(self, job: PostgresJob, tell: Callable[[PostgresAnswer], None]) -> None:
        """Ask over the held connection; over a new one where that one turns out to be gone."""
        ends = self._clock() + job.seconds
        if self._connection is not None and self._here is not None:
            answer = self._ask(job, self._connection, self._here, tell, ends)
            if not self._connection.closed:
                tell(answer)
                return
            self._connection = None
        if self._refused is not None and self._clock() < self._not_before:
            tell(self._refused)
            return
        self._connect(job, tell, ends)

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self, job: PostgresJob, tell: Callable[[PostgresAnswer], None], ends: float) -> None:
        told: list[PostgresAnswer] = []

        def step(answer: PostgresAnswer) -> None:
            told.append(answer)
            tell(answer)

        made = connected(job, step, KEEP_ALIVE)
        if made is None:
            self._refused = told[-1]
            self._not_before = self._clock() + self._pause
            self._pause = min(LONGEST_PAUSE_SECONDS, self._pause * 2)
            return
        self._connection, self._here = made
        self._remembered = Remembered()
        self._pause, self._refused = FIRST_PAUSE_SECONDS, None
        answer = self._ask(job, *made, tell, ends)
        if answer.parts is not None and stands_in_reserve(answer.parts):
            self.close()
            self._refused = structs.replace(made[1], step="failed", failure=IN_RESERVE)
            self._not_before = self._clock() + RESERVE_PAUSE_SECONDS
            answer = structs.replace(answer, let_go=True)
        tell(answer)
        if self._connection is not None and self._connection.closed:
            self._connection = None

    def _ask(
        self,
        job: PostgresJob,
        connection: Connection,
        here: PostgresAnswer,
        tell: Callable[[PostgresAnswer], None],
        ends: float,
    ) -> PostgresAnswer:
        """The last step of one collection; the steps before it are told as they come."""
        if self._clock() - self._remembered_at > REMEMBER_SECONDS:
            self._remembered = Remembered()
            self._remembered_at = self._clock()
        last = here

        def step(answer: PostgresAnswer) -> None:
            nonlocal last
            last = answer
            if answer.step in ("asking", "asking more"):
                tell(structs.replace(answer, parts=None))

        ask(connection, job, here, step, max(0.2, ends - self._clock()), self._remembered)
        return last


def stands_in_reserve(parts: PostgresParts) -> bool:
    """Whether a connection that was made just now has one of the slots that are kept for superusers: it is a
    superuser's, and fewer slots than superuser_reserved_connections are free."""
    if not parts.server.is_superuser:
        return False
    taken = sum(1 for b in parts.activity.backends if b.backend_type == CLIENT_BACKEND)
    reserved = parts.settings.integer("superuser_reserved_connections")
    return parts.settings.integer("max_connections") - taken < reserved
