"""One client connection as psycopg2 makes it under Odoo: libpq, the simple query protocol, a deadline on every wait.

Odoo's connections send ``BEGIN ISOLATION LEVEL REPEATABLE READ`` before the first statement of a transaction and
``DISCARD ALL`` when the pool lends them again (odoo/sql_db.py 17.0:275 and 655, 18.0:296 and 696, 19.0:366 and 654;
psycopg2/psycopg/pqpath.c). Nothing is set on the session, no parameter is sent that a PgBouncer would refuse.
"""

from __future__ import annotations

import select
import time
from collections.abc import Mapping

import psycopg
from msgspec import Struct
from psycopg import pq
from psycopg.conninfo import make_conninfo

from slotwise.collectors.pg_failures import Failure, failure_of

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ"
BEGIN_READ_ONLY = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""18.0 and later: a cursor of a route that only reads (odoo/sql_db.py 18.0:296-297)."""

_DONE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.ExecStatus.EMPTY_QUERY)
_COPY = (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT)


class PathRefused(Exception):
    """The path let no connection through, or lost one. ``failure`` says why, in the server's words."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class NoAnswer(Exception):
    """No answer came in time; the statement may still wait somewhere on the path."""


class StatementRefused(Exception):
    """The server answered a statement with an error: SQLSTATE (None where there was none) and its words. ``fatal``:
    it ended the session with it."""

    def __init__(self, sqlstate: str | None, text: str, fatal: bool) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate
        self.text = text
        self.fatal = fatal


class Rows(Struct, frozen=True):
    """What one statement returned: column names and rows, all as text."""

    names: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]

    @property
    def value(self) -> str | None:
        """The first column of the first row, None where there is no row."""
        return self.rows[0][0] if self.rows else None

    def by_name(self) -> list[dict[str, str | None]]:
        """Each row by column name."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]


class PathClient:
    """A connection. ``parameters`` are libpq's; every call waits at most ``seconds`` and then raises NoAnswer.

    Raises PathRefused where the connection is refused or found dead.
    """

    def __init__(self, parameters: Mapping[str, str], seconds: float) -> None:
        self._seconds = seconds
        self._connection = pq.PGconn.connect_start(make_conninfo(**parameters).encode())
        try:
            self._connect(time.monotonic() + seconds)
        except BaseException:
            self._connection.finish()
            raise

    def _connect(self, deadline: float) -> None:
        while True:
            if self._connection.status == pq.ConnStatus.BAD:
                raise PathRefused(failure_of(self._said()))
            poll = self._connection.connect_poll()
            if poll == pq.PollingStatus.OK:
                self._connection.nonblocking = 1
                return
            if poll == pq.PollingStatus.FAILED:
                raise PathRefused(failure_of(self._said()))
            reading = poll == pq.PollingStatus.READING
            self._wait(deadline, reading=reading, writing=not reading)

    # --- facts

    @property
    def closed(self) -> bool:
        """Whether the connection is no longer usable."""
        return bool(self._connection.status != pq.ConnStatus.OK)

    @property
    def announced_pid(self) -> int:
        """The backend's pid as the connection start announced it; a PgBouncer announces one of its own making."""
        return int(self._connection.backend_pid)

    @property
    def server_version(self) -> int:
        """PostgreSQL's server_version_num."""
        return int(self._connection.server_version)

    @property
    def address(self) -> str:
        """``host:port``, or the socket's directory and port."""
        return f"{self._connection.host.decode() or 'localhost'}:{self._connection.port.decode() or '5432'}"

    @property
    def user(self) -> str:
        """The role."""
        return self._connection.user.decode()

    @property
    def database(self) -> str:
        """The database as the path calls it."""
        return self._connection.db.decode()

    # --- statements

    def run(self, statement: str, seconds: float | None = None) -> Rows:
        """Send ``statement`` and return the rows of its last part."""
        self.send(statement)
        return self.answer(seconds)

    def send(self, statement: str) -> None:
        """Send ``statement`` and do not wait for its answer."""
        self._alive()
        self._connection.send_query(statement.encode())
        self._flush()

    def answer(self, seconds: float | None = None) -> Rows:
        """Wait for the answer to what was sent."""
        deadline = time.monotonic() + (self._seconds if seconds is None else seconds)
        last = Rows((), ())
        failed: StatementRefused | None = None
        while (result := self._result(deadline)) is not None:
            if result.status in _COPY:
                return last
            if result.status not in _DONE:
                failed = failed or self._refused(result)
            elif result.status == pq.ExecStatus.TUPLES_OK:
                last = _rows(result)
        if failed is not None:
            if failed.fatal or self.closed:
                raise PathRefused(failure_of(failed.text, sqlstate=failed.sqlstate))
            raise failed
        return last

    def prepare(self, name: str, statement: str) -> None:
        """Prepare at protocol level, as drivers other than psycopg2 do."""
        self._alive()
        self._connection.send_prepare(name.encode(), statement.encode())
        self._flush()
        self.answer()

    def execute_prepared(self, name: str) -> Rows:
        """Execute what was prepared at protocol level."""
        self._alive()
        self._connection.send_query_prepared(name.encode(), [])
        self._flush()
        return self.answer()

    def copy_in(self, statement: str, data: bytes) -> None:
        """``COPY … FROM STDIN`` with ``data``."""
        self.run(statement)
        self._connection.put_copy_data(data)
        self._connection.put_copy_end()
        self._flush()
        self.answer()

    def copy_out(self, statement: str) -> bytes:
        """``COPY … TO STDOUT``: what came."""
        self.run(statement)
        deadline = time.monotonic() + self._seconds
        chunks: list[bytes] = []
        while True:
            count, data = self._connection.get_copy_data(1)
            if count > 0 and data is not None:
                chunks.append(bytes(data))
            elif count == 0:
                self._wait(deadline, reading=True, writing=False)
                self._connection.consume_input()
            else:
                self.answer()
                return b"".join(chunks)

    def cancel(self) -> None:
        """Ask over a connection of its own that the running statement be cancelled (libpq's PQcancel)."""
        try:
            self._connection.get_cancel().cancel()
        except psycopg.Error as error:
            raise PathRefused(failure_of(str(error))) from error

    def notified(self, seconds: float) -> tuple[str, str] | None:
        """Channel and payload of the next notification, or None where none comes in time."""
        deadline = time.monotonic() + seconds
        while True:
            self._consume()
            notice = self._connection.notifies()
            if notice is not None:
                return notice.relname.decode(), notice.extra.decode()
            try:
                self._wait(deadline, reading=True, writing=False)
            except NoAnswer:
                return None

    def close(self) -> None:
        """Close it. Harmless when it is closed already."""
        self._connection.finish()

    # --- waiting

    def _alive(self) -> None:
        if self.closed:
            raise PathRefused(failure_of(self._said() or "server closed the connection unexpectedly"))

    def _flush(self) -> None:
        deadline = time.monotonic() + self._seconds
        try:
            while self._connection.flush():
                self._wait(deadline, reading=True, writing=True)
                self._connection.consume_input()
        except psycopg.Error as error:
            raise PathRefused(failure_of(self._said() or str(error))) from error

    def _consume(self) -> None:
        try:
            self._connection.consume_input()
        except psycopg.Error as error:
            raise PathRefused(failure_of(self._said() or str(error))) from error

    def _result(self, deadline: float) -> pq.abc.PGresult | None:
        while self._connection.is_busy():
            self._wait(deadline, reading=True, writing=False)
            self._consume()
        return self._connection.get_result()

    def _wait(self, deadline: float, *, reading: bool, writing: bool) -> None:
        left = deadline - time.monotonic()
        socket = [self._connection.socket]
        ready = left > 0 and any(select.select(socket if reading else [], socket if writing else [], [], left))
        if not ready:
            raise NoAnswer

    def _refused(self, result: pq.abc.PGresult) -> StatementRefused:
        state = result.error_field(pq.DiagnosticField.SQLSTATE)
        text = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)
        words = text.decode("utf-8", "replace") if text else result.get_error_message().strip()
        severity = result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED)
        return StatementRefused(state.decode() if state else None, words, severity in (b"FATAL", b"PANIC"))

    def _said(self) -> str:
        return str(self._connection.get_error_message()).strip()


def _rows(result: pq.abc.PGresult) -> Rows:
    names = tuple((result.fname(i) or b"").decode() for i in range(result.nfields))
    rows = tuple(
        tuple(_text(result.get_value(row, column)) for column in range(result.nfields)) for row in range(result.ntuples)
    )
    return Rows(names, rows)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
