from __future__ import annotations

from contextlib import ExitStack

import psycopg

from slotwise.collectors.held_postgres import FIRST_PAUSE_SECONDS, IN_RESERVE, RESERVE_PAUSE_SECONDS, HeldPostgres
from slotwise.collectors.pg_session import PostgresAnswer, PostgresJob
from slotwise.collectors.pg_target import Target
from tests.conftest import StartPostgres


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Asked:
    """A HeldPostgres on a clock that the test moves."""

    def __init__(self, dsn: str) -> None:
        self.clock = Clock()
        self.held = HeldPostgres(self.clock)
        self.job = PostgresJob(Target("--dsn", dsn), 0.0, 5.0)

    def __call__(self, after_seconds: float = 0.0) -> PostgresAnswer:
        self.clock.now += after_seconds
        told: list[PostgresAnswer] = []
        self.held.perform(self.job, told.append)
        return told[-1]


def own(answer: PostgresAnswer) -> int | None:
    return answer.parts.activity.own_pid if answer.parts is not None else None


def test_a_connection_in_the_reserve_is_let_go_and_made_again_when_slots_are_free(
    start_postgres: StartPostgres,
) -> None:
    server = start_postgres(15, {"max_connections": "8", "superuser_reserved_connections": "2"})
    with psycopg.connect(server.dsn(), autocommit=True) as c:
        c.execute("CREATE ROLE plain LOGIN")
    ask = Asked(server.dsn())
    with ExitStack() as full:
        for _ in range(6):
            full.enter_context(psycopg.connect(host="127.0.0.1", port=server.port, user="plain", dbname="postgres"))
        first = ask()
        assert first.step == "complete" and first.let_go
        refused = ask(RESERVE_PAUSE_SECONDS - 0.1)
        assert (refused.step, refused.failure) == ("failed", IN_RESERVE)
        later = ask(0.2)
        assert later.let_go and own(later) != own(first)
    kept = ask(RESERVE_PAUSE_SECONDS)
    assert kept.step == "complete" and not kept.let_go
    assert own(ask()) == own(kept)
    ask.held.close()


def test_a_connection_that_was_made_in_time_stays_when_the_server_fills_up(start_postgres: StartPostgres) -> None:
    server = start_postgres(15, {"max_connections": "8", "superuser_reserved_connections": "2"})
    ask = Asked(server.dsn())
    first = ask()
    with ExitStack() as full:
        for _ in range(7):
            full.enter_context(psycopg.connect(server.dsn()))
        assert own(ask()) == own(first) is not None
    ask.held.close()


def test_refusals_make_it_more_patient(start_postgres: StartPostgres) -> None:
    server = start_postgres()
    ask = Asked(server.dsn())
    server.stop("fast")
    assert ask().step == "failed"
    server.start()
    assert ask(FIRST_PAUSE_SECONDS / 2).step == "failed"
    assert ask(FIRST_PAUSE_SECONDS / 2).step == "complete"
    ask.held.close()
