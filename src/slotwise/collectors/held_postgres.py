"""One PostgreSQL connection that is kept from round to round, and made again, ever more patiently, when it breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import structs

from slotwise.collectors.pg_session import PostgresAnswer, PostgresJob, Remembered, ask, connected

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
        tell(self._ask(job, *made, tell, ends))
        if self._connection.closed:
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
