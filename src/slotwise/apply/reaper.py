"""Ends one session, exactly the one that was judged, and says what became of it.

Whether it is still that session is checked in the same statement that ends it: pid, backend_start, state and since when
it is in it, and once more that it is an ordinary client's and no superuser's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from slotwise.apply.audit_log import AuditLog
from slotwise.apply.servers import Way, as_user
from slotwise.errors import OperatorError
from slotwise.fixes.reaping import Condemned
from slotwise.snapshot.redaction import redact_text

if TYPE_CHECKING:
    from psycopg import Connection

Outcome = Literal["ended", "cancelled", "gone", "changed", "survived", "refused", "lost"]
"""*ended*, or its statement *cancelled*; *gone* before, or its pid another's; *changed*: it works again; *survived* the
signal; *refused*: no right to end it; *lost*: the server did not answer any more."""

DONE: frozenset[Outcome] = frozenset(("ended", "cancelled", "gone", "changed"))
"""Outcomes after which nothing is left to do."""

_SAME_SECONDS = 0.00002
"""Times are compared as floating-point seconds, which hold microseconds to a quarter of one."""
_POLL_SECONDS = 0.05
_STATES = {"idle in transaction": ("idle in transaction", "idle in transaction (aborted)")}
_SINCE = {"active": "query_start"}

_SAME = """
  FROM pg_stat_activity a JOIN pg_roles r ON r.rolname = a.usename
 WHERE a.pid = %(pid)s AND a.pid <> pg_backend_pid()
   AND abs(extract(epoch FROM a.backend_start)::float8 - %(start)s) < %(same)s
   AND a.backend_type = 'client backend' AND NOT r.rolsuper
   AND a.state = ANY(%(states)s)
   AND abs(extract(epoch FROM a.{since})::float8 - %(since)s) < %(same)s
"""
_NOW = """
SELECT abs(extract(epoch FROM backend_start)::float8 - %(start)s) < %(same)s AS same, state
  FROM pg_stat_activity WHERE pid = %(pid)s
"""


class Act(Struct, frozen=True):
    """What was done to one session: the signals that were sent, what became of it, and the server's words if any."""

    condemned: Condemned
    signals: tuple[str, ...]
    outcome: Outcome
    words: str | None = None


class Waiting(Struct, frozen=True):
    """Seconds to wait for a cancelled statement to end, and for a terminated session to be gone."""

    cancel_seconds: float = 10.0
    terminate_seconds: float = 10.0


@contextmanager
def acting_connection(way: str | Way) -> Iterator[Connection[tuple[object, ...]]]:
    """A connection to end sessions by: autocommit, so that each statement sees the present. It gives up on a server
    that does not answer. Raises psycopg.OperationalError where the server refuses, OperatorError for a DSN that
    cannot be read."""
    import psycopg

    way = Way(way) if isinstance(way, str) else way
    own = {
        "application_name": "slotwise",
        "connect_timeout": "10",
        "tcp_user_timeout": "15000",
        "keepalives_idle": "10",
    }
    try:
        with as_user(way.uid):
            connection = psycopg.connect(
                way.dsn,
                autocommit=True,
                prepare_threshold=None,
                **{**way.parameters, **own},  # type: ignore[arg-type]
            )
    except psycopg.ProgrammingError as error:
        remedy = "write postgresql://user:password@host:port/dbname; special characters in it as %40, %2F …"
        raise OperatorError("--dsn cannot be read", remedy) from error
    try:
        yield connection
    finally:
        connection.close()


def end_session(
    connection: Connection[tuple[object, ...]],
    condemned: Condemned,
    audit: AuditLog,
    *,
    waiting: Waiting | None = None,
    only_cancel: bool = False,
) -> Act:
    """End the session if it is still the one that was judged. What is meant is on the audit log's disk before, what
    became of it after.

    A running statement is cancelled first, and the session terminated only if that did not help in time (never with
    ``only_cancel``). An idle session has no statement to cancel (src/backend/tcop/postgres.c, ProcessInterrupts: a
    cancel request is ignored while a session waits for its client), so it is terminated.
    """
    import psycopg

    waiting = waiting or Waiting()
    audit.write(_record("meant", condemned))
    signals: list[str] = []
    try:
        outcome, words = _end(connection, condemned, waiting, only_cancel, signals), None
    except psycopg.errors.InsufficientPrivilege as error:
        outcome, words = "refused", _said(error)
    except psycopg.Error as error:
        outcome, words = "lost", _said(error)
    act = Act(condemned, tuple(signals), outcome, words)
    audit.write({**_record("done", condemned), "signals": act.signals, "outcome": outcome, "words": words})
    return act


def _end(
    connection: Connection[tuple[object, ...]],
    condemned: Condemned,
    waiting: Waiting,
    only_cancel: bool,
    signals: list[str],
) -> Outcome:
    if condemned.kind == "active":
        if not _signal(connection, condemned, "pg_cancel_backend"):
            return _instead(connection, condemned)
        signals.append("cancel")
        if _until(lambda: not _same(connection, condemned), waiting.cancel_seconds):
            return "cancelled"
        if only_cancel:
            return "survived"
    elif only_cancel:
        return "changed"
    if not _signal(connection, condemned, "pg_terminate_backend"):
        return "cancelled" if signals else _instead(connection, condemned)
    signals.append("terminate")
    gone = _until(lambda: _present(connection, condemned) is None, waiting.terminate_seconds)
    return "ended" if gone else "survived"


def _signal(connection: Connection[tuple[object, ...]], condemned: Condemned, function: str) -> bool:
    """Send the signal if everything still matches, in one statement. Whether it was sent."""
    row = connection.execute(f"SELECT {function}(a.pid)" + _same_clause(condemned), _values(condemned)).fetchone()
    return row is not None and row[0] is True


def _same(connection: Connection[tuple[object, ...]], condemned: Condemned) -> bool:
    return connection.execute("SELECT 1" + _same_clause(condemned), _values(condemned)).fetchone() is not None


def _present(connection: Connection[tuple[object, ...]], condemned: Condemned) -> str | None:
    """The session's state where it is still there, None where it is gone or its pid is another's."""
    row = connection.execute(_NOW, _values(condemned)).fetchone()
    return None if row is None or row[0] is not True else str(row[1])


def _instead(connection: Connection[tuple[object, ...]], condemned: Condemned) -> Outcome:
    """Why no signal was sent."""
    return "gone" if _present(connection, condemned) is None else "changed"


def _same_clause(condemned: Condemned) -> str:
    return _SAME.format(since=_SINCE.get(condemned.kind, "state_change"))


def _values(condemned: Condemned) -> dict[str, object]:
    return {
        "pid": condemned.pid,
        "start": condemned.backend_start,
        "since": condemned.since,
        "states": list(_STATES.get(condemned.kind, (condemned.kind,))),
        "same": _SAME_SECONDS,
    }


def _until(condition: object, seconds: float) -> bool:
    """Whether the condition comes true within this time."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _record(phase: str, condemned: Condemned) -> dict[str, object]:
    return {
        "at": _utc(time.time()),
        "phase": phase,
        "by": f"uid {os.geteuid()}, pid {os.getpid()}",
        "pid": condemned.pid,
        "backend_start": _utc(condemned.backend_start),
        "state": condemned.kind,
        "seconds": round(condemned.seconds, 3),
        "reason": condemned.reason,
        "database": condemned.database,
        "user": condemned.user,
        "application_name": condemned.application_name,
        "client": condemned.client,
        "owner": condemned.owner,
        "query": condemned.query,
    }


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _said(error: BaseException) -> str:
    return redact_text(" ".join(str(error).split()))[:500]
