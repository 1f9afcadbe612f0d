"""The driver of every look at a server: psycopg2, whose import costs a third of psycopg's (docs/decisions/).

Text is decoded here and tolerantly: a session of a database in another encoding shows bytes that are not UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slotwise.collectors.pg_target import Target

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_TEXT_OIDS = (18, 19, 25, 114, 1042, 1043)
"""char, name, text, json, bpchar, varchar (pg_type.dat of PostgreSQL, the same in 12 to 18)."""
_TEXT_ARRAY_OIDS = (1003, 1009, 1015)
_AT_ADDRESS = re.compile(r'connection to server at "(?P<name>[^"]*)"(?: \((?P<ip>[^)]*)\))?, port (?P<port>\d+) failed')
_ON_SOCKET = re.compile(r'connection to server on socket "(?P<directory>[^"]*)/\.s\.PGSQL\.(?P<port>\d+)" failed')
"""How libpq begins the message of an attempt that failed (fe-connect.c, emitHostIdentityInfo, since 14)."""
_DEFAULT_PORT = 5432
_IDLE = 0
"""PQTRANS_IDLE of libpq-fe.h."""


def connection_parameters(target: Target) -> dict[str, str]:
    """The libpq keywords that the target gives. Raises psycopg2.ProgrammingError where its DSN cannot be read."""
    from psycopg2.extensions import parse_dsn

    given: dict[str, Any] = parse_dsn(target.dsn) if target.dsn else {}
    return {**given, **{k: str(v) for k, v in target.parameters.items() if v is not None}}


def connect(parameters: Mapping[str, str]) -> Connection:
    """An autocommit connection whose text comes as it is on the server. Raises psycopg2.Error where it is refused."""
    import psycopg2
    from psycopg2._psycopg import BYTES, BYTESARRAY

    connection = psycopg2.connect(**parameters)  # type: ignore[call-overload]
    connection.autocommit = True
    connection.string_types.update(dict.fromkeys(_TEXT_OIDS, BYTES))
    connection.string_types.update(dict.fromkeys(_TEXT_ARRAY_OIDS, BYTESARRAY))
    return connection  # type: ignore[no-any-return]


def results(connection: Connection, messages: Sequence[str]) -> list[list[dict[str, Any]]]:
    """The rows of the last statement of each message; the transaction that they opened is ended after the last.

    Raises psycopg2.Error. By the simple protocol, which poolers speak too.
    """
    try:
        answered = [rows(connection, message) for message in messages]
    finally:
        _end_transaction(connection)
    return answered


def _end_transaction(connection: Connection) -> None:
    """COMMIT, which rolls back what failed: a connection that is held must not stand in a failed transaction."""
    if not connection.closed and connection.info.transaction_status != _IDLE:
        with connection.cursor() as cursor:
            cursor.execute("COMMIT")


def rows(connection: Connection, message: str) -> list[dict[str, Any]]:
    """The rows of the last statement of a message, by column name; none where it returns none.

    Raises psycopg2.Error.
    """
    with connection.cursor() as cursor:
        cursor.execute(message.encode())
        if cursor.description is None:
            return []
        columns = [column.name for column in cursor.description]
        return [dict(zip(columns, map(_decoded, row), strict=True)) for row in cursor.fetchall()]


def reached(message: str, parameters: Mapping[str, str]) -> tuple[str, int]:
    """The address of the last attempt that libpq tells of in ``message``, else that of ``parameters``: an IP address,
    a host name or the directory of the socket, and the port."""
    attempts = [*_AT_ADDRESS.finditer(message), *_ON_SOCKET.finditer(message)]
    if attempts:
        last = max(attempts, key=lambda found: found.start()).groupdict()
        return last.get("directory") or last.get("ip") or last["name"] or "", int(last["port"])
    host = parameters.get("hostaddr") or parameters.get("host") or ""
    port = (parameters.get("port") or "").split(",")[0]
    return host.split(",")[0], int(port) if port.isdigit() else _DEFAULT_PORT


def _decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return value
