"""One connection to PostgreSQL that behaves, and looks to the server, as psycopg2's does under Odoo.

It sits on libpq directly (psycopg's ``pq``): the simple query protocol, and ``BEGIN`` only before the first statement
of a transaction, so that pg_stat_activity shows the same texts: ``COMMIT``, ``ROLLBACK``, ``DISCARD ALL``, or nothing
on a fresh connection.
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

_FINE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.ExecStatus.EMPTY_QUERY)

Row = tuple["str | None", ...]


class OperationalError(Exception):
    """The server refused the connection or ended it; the text is libpq's own, as psycopg2 shows it."""


class StatementError(Exception):
    """The server answered a statement with an error."""


class ServerConnection:
    """A session with the server. ``begin`` is the text that opens a transaction, e.g. ``BEGIN``.

    Raises OperationalError when the server refuses.
    """

    def __init__(self, parameters: Mapping[str, str], begin: str = "BEGIN") -> None:
        self.parameters = dict(parameters)
        self.begin = begin
        self.autocommit = False
        self.leaked = False
        """Set by a cursor that was forgotten: the next borrow may use the connection again."""
        self._in_transaction = False
        self._pgconn = pq.PGconn.connect(make_conninfo(**self.parameters).encode())
        if self._pgconn.status != pq.ConnStatus.OK:
            message = self._pgconn.get_error_message().strip()
            self._pgconn.finish()
            raise OperationalError(message)

    @property
    def closed(self) -> bool:
        """Whether it was closed here, or found to be closed by the server."""
        return bool(self._pgconn.status != pq.ConnStatus.OK)

    @property
    def backend_pid(self) -> int:
        """The server process's id (behind a pooler: the pooler's idea of it)."""
        return int(self._pgconn.backend_pid)

    def fileno(self) -> int:
        """The socket, for select()."""
        return int(self._pgconn.socket)

    def execute(self, statement: str) -> list[Row]:
        """Run ``statement``, in a transaction unless ``autocommit``; its rows as text."""
        self._begin_if_needed()
        return self._run(statement)

    def send(self, statement: str) -> None:
        """Start ``statement`` and leave it running; ``finish`` ends it."""
        self._begin_if_needed()
        self._pgconn.send_query(statement.encode())

    def finish(self) -> None:
        """Cancel a statement that was started with ``send`` and take its result, whatever it is."""
        self._pgconn.get_cancel().cancel()
        while self._pgconn.get_result() is not None:
            pass

    def commit(self) -> None:
        """``COMMIT``, if a transaction is open (psycopg2's pq_commit sends nothing otherwise)."""
        self._end("COMMIT")

    def rollback(self) -> None:
        """``ROLLBACK``, if a transaction is open."""
        self._end("ROLLBACK")

    def reset(self) -> None:
        """What a pool does before it lends the connection again (psycopg2's pq_reset): ``ABORT``, ``DISCARD ALL``.

        Raises OperationalError when the connection turns out to be dead.
        """
        self._end("ABORT")
        self._run("DISCARD ALL")

    def notifications(self) -> list[str]:
        """Channels of the notifications that have arrived. Raises OperationalError when the connection is gone."""
        try:
            self._pgconn.consume_input()
        except psycopg.Error as error:
            raise OperationalError(str(error)) from error
        channels = []
        while (notice := self._pgconn.notifies()) is not None:
            channels.append(notice.relname.decode())
        return channels

    def close(self) -> None:
        """Close it; harmless when it is closed already."""
        self._pgconn.finish()
        self._in_transaction = False

    def _begin_if_needed(self) -> None:
        if not self.autocommit and not self._in_transaction:
            self._run(self.begin)
            self._in_transaction = True

    def _end(self, statement: str) -> None:
        if self._in_transaction:
            self._in_transaction = False
            self._run(statement)

    def _run(self, statement: str) -> list[Row]:
        if self.closed:
            raise OperationalError("connection already closed")
        result = self._pgconn.exec_(statement.encode())
        if result.status not in _FINE:
            message = result.get_error_message().strip()
            if self.closed:
                raise OperationalError(message)
            raise StatementError(message)
        return [
            tuple(_text(result.get_value(row, column)) for column in range(result.nfields))
            for row in range(result.ntuples)
        ]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
