"""What a held connection to PgBouncer's console remembers, and for how long."""

from __future__ import annotations

from contextlib import closing

import pytest

from slotwise.collectors.pg_driver import connect, rows
from slotwise.collectors.pg_target import Target
from slotwise.collectors.pgbouncer_session import (
    REMEMBER_SECONDS,
    SHOWS,
    PgBouncerAnswer,
    PgBouncerJob,
    RememberedShows,
    asked,
    connected,
)
from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.demo.postgres_server import PostgresServers

_ROW = dict[str, str | int | None]


def _lists(databases: int) -> list[_ROW]:
    return [{"list": "databases", "items": databases}, {"list": "used_clients", "items": 7}]


def _shown(databases: int = 2) -> dict[str, list[_ROW]]:
    return {
        "VERSION": [{"version": "PgBouncer 1.18.0"}],
        "CONFIG": [{"key": "max_client_conn", "value": "100"}],
        "DATABASES": [{"name": "prod", "pool_size": 20, "current_connections": 4}],
        "LISTS": _lists(databases),
    }


def test_nothing_is_remembered_before_it_was_asked() -> None:
    assert RememberedShows().still_serving(_lists(2)) == {}


def test_what_lasts_serves_until_it_is_too_old() -> None:
    now = 1000.0
    remembered = RememberedShows(lambda: now)
    remembered.keep(_shown())
    now += REMEMBER_SECONDS - 0.1
    assert set(remembered.still_serving(_lists(2))) == {"VERSION", "CONFIG", "DATABASES"}
    now += 0.1
    assert remembered.still_serving(_lists(2)) == {}


def test_a_database_that_came_makes_it_ask_again() -> None:
    remembered = RememberedShows()
    remembered.keep(_shown(2))
    assert remembered.still_serving(_lists(3)) == {}


def test_a_count_of_then_is_not_told_as_one_of_now() -> None:
    remembered = RememberedShows()
    remembered.keep(_shown())
    assert remembered.still_serving(_lists(2))["DATABASES"] == [{"name": "prod", "pool_size": 20}]


@pytest.mark.parametrize("missing", ["VERSION", "CONFIG", "DATABASES", "LISTS"])
def test_an_answer_that_failed_is_asked_again(missing: str) -> None:
    remembered = RememberedShows()
    remembered.keep(_shown())
    remembered.keep({name: found for name, found in _shown().items() if name != missing})
    assert remembered.still_serving(_lists(2)) == {}


def test_a_real_console_is_asked_for_what_changes_only() -> None:
    with (
        PostgresServers() as servers,
        PgBouncerServer(servers.directory, {"prod": "host=127.0.0.1 port=1 dbname=prod"}, {}) as bouncer,
    ):
        target = Target("--pgbouncer", bouncer.dsn("postgres"))
        told: list[PgBouncerAnswer] = []
        console = connected(PgBouncerJob(target, 5.0), told.append)
        assert console is not None
        try:
            now = 0.0
            remembered = RememberedShows(lambda: now)
            first = asked(console, target, remembered)
            assert first.failure is None and first.shown is not None and set(first.shown) == set(SHOWS)
            with closing(connect({"dsn": bouncer.dsn("postgres")})) as other:
                rows(other, "SET max_client_conn = 77")
            second = asked(console, target, remembered)
            now += REMEMBER_SECONDS
            third = asked(console, target, remembered)
        finally:
            console.close()
    limits = [_limit(answer) for answer in (first, second, third)]
    assert limits[1] == limits[0] != "77" and limits[2] == "77"
    assert second.shown is not None and set(second.shown) == set(SHOWS)


def _limit(answer: PgBouncerAnswer) -> object:
    assert answer.shown is not None
    return next(row["value"] for row in answer.shown["CONFIG"] if row["key"] == "max_client_conn")
