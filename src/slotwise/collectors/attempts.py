"""The jobs that connect, seen from the parent: start them in a Workshop, wait with a deadline, read what came back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec
from msgspec import Struct

from slotwise.collectors.isolation import Pending
from slotwise.collectors.pg_failures import SILENT, Failure, read_again
from slotwise.collectors.pg_session import PostgresAnswer, PostgresJob, perform_postgres
from slotwise.collectors.pg_target import Target
from slotwise.collectors.pgbouncer_session import PgBouncerAnswer, PgBouncerJob, perform_pgbouncer

_Answer = TypeVar("_Answer")

_GRACE_SECONDS = 0.15
"""How much longer than its deadline a job may live: its last words may still be on their way."""
_WHERE = {
    "connecting": "the connection attempt was not answered",
    "asking": "the server accepted the connection, then said nothing",
    "asking more": "the server stopped answering",
}


class Shop(Protocol):
    """Where jobs run: a Workshop, which connects anew for each, or HeldConnections, which keeps its connection."""

    def submit(self, job: Struct, seconds: float) -> Pending:
        """Start a job that is given ``seconds``."""
        ...

    def wait(
        self, jobs: tuple[Pending, ...], seconds: float, now: Callable[[], float], *, first_line: bool = False
    ) -> None:
        """Read answers until every job has ended (or said its first line) or ``seconds`` have passed."""
        ...


def perform(message: bytes, tell: Callable[[bytes], None]) -> None:
    """One job, in its own process."""
    job = msgspec.json.decode(message, type=PostgresJob | PgBouncerJob)
    if isinstance(job, PostgresJob):
        perform_postgres(job, lambda answer: tell(msgspec.json.encode(answer)))
    else:
        perform_pgbouncer(job, lambda answer: tell(msgspec.json.encode(answer)))


class Attempt(Struct, frozen=True):
    """One connection that was started, and how long it may take."""

    target: Target
    pending: Pending
    started: float
    seconds: float


def start_postgres(shop: Shop, target: Target, taken_at: float, seconds: float) -> Attempt:
    """Start a collection from PostgreSQL that must end within ``seconds``."""
    job = PostgresJob(target, taken_at, seconds)
    return Attempt(target, shop.submit(job, seconds + _GRACE_SECONDS), time.monotonic(), seconds)


def start_pgbouncer(shop: Shop, target: Target, seconds: float) -> Attempt:
    """Start a look at a PgBouncer's console that must end within ``seconds``."""
    job = PgBouncerJob(target, seconds)
    return Attempt(target, shop.submit(job, seconds + _GRACE_SECONDS), time.monotonic(), seconds)


def address_of(shop: Shop, attempt: Attempt, seconds: float) -> str | None:
    """Where an attempt goes to, as soon as that is known; None where it is not within ``seconds``."""
    shop.wait((attempt.pending,), seconds, time.monotonic, first_line=True)
    last = attempt.pending.last
    return None if last is None else msgspec.json.decode(last, type=PostgresAnswer).address


def postgres_answer(shop: Shop, attempt: Attempt) -> tuple[PostgresAnswer, float]:
    """What came of it, and after how many seconds. A hang is an answer too, with all that came before it."""
    answer, seconds = _answer(shop, attempt, PostgresAnswer)
    if answer is None:
        return PostgresAnswer("failed", failure=_silent(attempt, "no connection was made")), seconds
    if answer.step in _WHERE:
        failure = _silent(attempt, _WHERE[answer.step])
        return msgspec.structs.replace(answer, failure=failure), seconds
    return msgspec.structs.replace(answer, failure=read_again(answer.failure)), seconds


def pgbouncer_answer(shop: Shop, attempt: Attempt) -> tuple[PgBouncerAnswer, float]:
    """What came of it, and after how many seconds."""
    answer, seconds = _answer(shop, attempt, PgBouncerAnswer)
    if answer is None or (answer.shown is None and answer.failure is None):
        failure = _silent(attempt, "the console did not answer")
        return msgspec.structs.replace(answer or PgBouncerAnswer(), failure=failure), seconds
    return msgspec.structs.replace(answer, failure=read_again(answer.failure)), seconds


def _answer(shop: Shop, attempt: Attempt, kind: type[_Answer]) -> tuple[_Answer | None, float]:
    left = attempt.seconds - (time.monotonic() - attempt.started)
    shop.wait((attempt.pending,), max(left, 0), time.monotonic)
    last = attempt.pending.last
    ended = attempt.pending.ended_at
    seconds = (time.monotonic() if ended is None else ended) - attempt.started
    return (None if last is None else msgspec.json.decode(last, type=kind)), seconds


def _silent(attempt: Attempt, where: str) -> Failure:
    ended = attempt.pending.ended_at
    if attempt.pending.ended and (ended is None or ended - attempt.started < attempt.seconds):
        # Not the server's silence: nothing ends that process before its time but a fault or somebody's kill.
        remedy = "run it again; if it happens again, reinstall slotwise (pip install --force-reinstall slotwise)"
        return Failure(SILENT, "slotwise's own process that connects ended without a word", remedy)
    remedy = "look whether the server is stopped or its host is out of reach; a longer --timeout waits longer"
    return Failure(SILENT, f"{where} within {attempt.seconds:.1f} s", remedy)
