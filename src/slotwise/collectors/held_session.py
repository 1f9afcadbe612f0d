"""The process that holds one connection and asks over it, round after round. It may hang or change its user.

    python -m slotwise.collectors.held_session

A line on stdin is a job, as it is for a collection that connects anew; the lines that answer it end with an empty line.
Settings, roles, databases and a PgBouncer's configuration are read again once a minute, sessions in every round. The
end of stdin ends it, and the kernel ends it where one answer takes longer than MOST_SECONDS: then the parent begins
another.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from slotwise.collectors import pg_session, pgbouncer_session
from slotwise.collectors.held_postgres import HeldPostgres
from slotwise.collectors.pg_session import PostgresAnswer, PostgresJob
from slotwise.collectors.pgbouncer_session import PgBouncerAnswer, PgBouncerJob, RememberedShows

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

MOST_SECONDS = 300
"""How long an answer may take before the process is ended. A server that stands still is waited for until then: its
connection is still there when it goes on, and a second one would only take another slot."""


def main() -> None:
    """Answer jobs until stdin ends."""
    pg_session.prepare()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    postgres, became = HeldPostgres(), False
    console: _Console | None = None
    for line in sys.stdin.buffer:
        signal.alarm(MOST_SECONDS)
        job = msgspec.json.decode(line, type=PostgresJob | PgBouncerJob)
        if not became:
            pg_session.become(job.target.run_as, job.target.environment)
            became = True
        if isinstance(job, PostgresJob):
            postgres.perform(job, _tell)
        else:
            console = _look_at_console(job, console)
        signal.alarm(0)
        _write(b"\n")
    postgres.close()


class _Console(NamedTuple):
    """A connection to a PgBouncer's console, and what was read over it that rarely changes."""

    connection: Connection
    remembered: RememberedShows


def _look_at_console(job: PgBouncerJob, console: _Console | None) -> _Console | None:
    """Ask over the console that is held, over a new one where that one broke; one that answers is kept."""
    tell: Callable[[PgBouncerAnswer], None] = _tell
    if console is not None and not console.connection.closed:
        answer = pgbouncer_session.asked(console.connection, job.target, console.remembered)
        if not console.connection.closed:
            tell(answer)
            return console
    connection = pgbouncer_session.connected(job, tell)
    if connection is None:
        return None
    made = _Console(connection, RememberedShows())
    tell(pgbouncer_session.asked(connection, job.target, made.remembered))
    return None if connection.closed else made


def _tell(answer: PostgresAnswer | PgBouncerAnswer) -> None:
    _write(msgspec.json.encode(answer) + b"\n")


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main()
