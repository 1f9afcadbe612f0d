from __future__ import annotations

import psycopg2
import pytest
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, parse_dsn

from slotwise.collectors.pg_driver import connect, connection_parameters, reached, results, rows
from slotwise.collectors.pg_target import Target
from slotwise.demo.postgres_server import PostgresServer


def test_parameters_win_over_the_connection_string() -> None:
    target = Target("t", "postgresql://odoo@db.example:5433/prod", {"dbname": "other", "host": None})  # type: ignore[dict-item]
    assert connection_parameters(target) == {"user": "odoo", "host": "db.example", "port": "5433", "dbname": "other"}
    assert connection_parameters(Target("t")) == {}
    with pytest.raises(psycopg2.ProgrammingError):
        connection_parameters(Target("t", "postgresql://[broken"))


@pytest.mark.parametrize(
    ("message", "where"),
    [
        ('connection to server at "127.0.0.1", port 5433 failed: FATAL:  sorry', ("127.0.0.1", 5433)),
        ('connection to server at "db.example" (10.0.0.7), port 6432 failed: timeout', ("10.0.0.7", 6432)),
        ('connection to server on socket "/run/pg/.s.PGSQL.5434" failed: FATAL:  sorry', ("/run/pg", 5434)),
        (
            'connection to server at "::1", port 1 failed: refused\n'
            'connection to server on socket "/tmp/.s.PGSQL.2" failed: FATAL:  sorry',
            ("/tmp", 2),
        ),
        ("other words", ("first", 5555)),
    ],
)
def test_what_libpq_says_tells_where_the_attempt_went(message: str, where: tuple[str, int]) -> None:
    assert reached(message, {"host": "first,second", "port": "5555,5556"}) == where


def test_without_any_word_the_address_is_libpqs_own() -> None:
    assert reached("", {}) == ("", 5432)


def test_what_libpq_really_says_is_understood(pg15: PostgresServer) -> None:
    with pytest.raises(psycopg2.OperationalError) as caught:
        connect({"host": "localhost", "port": str(pg15.port), "user": "nobody_here", "dbname": "postgres"})
    assert reached(str(caught.value), {})[1] == pg15.port


def test_text_in_another_encoding_is_shown_and_not_fatal(pg15: PostgresServer) -> None:
    """PostgreSQL does not convert between an SQL_ASCII database and its client: bytes come as they were stored."""
    connection = connect(parse_dsn(pg15.dsn()))
    try:
        rows(connection, "CREATE DATABASE bytes ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        ascii_ = connect({**parse_dsn(pg15.dsn()), "dbname": "bytes"})
        try:
            found = rows(ascii_, r"SELECT E'caf\xe9' AS word, ARRAY[E'\xe9'] AS words, NULL::text AS nothing, 7 AS n")
        finally:
            ascii_.close()
        assert found == [{"word": "caf\ufffd", "words": ["\ufffd"], "nothing": None, "n": 7}]
    finally:
        rows(connection, "DROP DATABASE IF EXISTS bytes")
        connection.close()


def test_a_message_that_fails_leaves_no_transaction_behind(pg15: PostgresServer) -> None:
    connection = connect(parse_dsn(pg15.dsn()))
    try:
        with pytest.raises(psycopg2.Error):
            results(connection, ["BEGIN READ ONLY; SELECT 1 AS one", "SELECT 1/0"])
        assert results(connection, ["BEGIN READ ONLY; SELECT 1 AS one", "SELECT 2 AS two"]) == [
            [{"one": 1}],
            [{"two": 2}],
        ]
        assert connection.info.transaction_status == TRANSACTION_STATUS_IDLE
    finally:
        connection.close()
