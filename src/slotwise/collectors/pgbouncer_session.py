"""One look at a PgBouncer's admin console. Runs in a process of its own (isolation.py), like every connection.

The console speaks the simple protocol only. SHOW FDS is never asked: it stops PgBouncer's only thread while it answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from slotwise.collectors.pg_driver import connect, connection_parameters, rows
from slotwise.collectors.pg_failures import INVALID_DSN, Failure, failure_of
from slotwise.collectors.pg_session import become
from slotwise.collectors.pg_target import Target

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

CONSOLE_DATABASE = "pgbouncer"
SHOWS = ("LISTS", "VERSION", "CONFIG", "DATABASES", "POOLS", "CLIENTS", "SERVERS", "STATS")

LASTING = ("VERSION", "CONFIG", "DATABASES")
"""What a held connection need not ask for in every round: it seldom changes, and PgBouncer answers with the one thread
that serves its clients. A restart ends the connection, a RELOAD is seen within REMEMBER_SECONDS."""
REMEMBER_SECONDS = 60.0

Shown = dict[str, list[dict[str, str | int | None]]]


class RememberedShows:
    """The answers of LASTING over one connection."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown: Shown = {}
        self._databases: object = None
        self._at = 0.0

    def still_serving(self, lists: list[dict[str, str | int | None]]) -> Shown:
        """What need not be asked; nothing where it is too old or, by SHOW LISTS, databases came or went.

        How many connections a database had then says nothing of now: it is left out, which reads as not known.
        """
        if self._clock() - self._at >= REMEMBER_SECONDS or self._databases != _databases_in(lists):
            return {}
        return self._shown

    def keep(self, shown: Shown) -> None:
        """Remember what was asked just now, where all of it was answered."""
        if not all(name in shown for name in (*LASTING, "LISTS")):
            self._shown = {}
            return
        changing = {"current_connections", "current_client_connections"}
        databases = [{k: v for k, v in row.items() if k not in changing} for row in shown["DATABASES"]]
        self._shown = {**{name: shown[name] for name in LASTING}, "DATABASES": databases}
        self._databases, self._at = _databases_in(shown["LISTS"]), self._clock()


def _databases_in(lists: list[dict[str, str | int | None]]) -> object:
    return next((row.get("items") for row in lists if row.get("list") == "databases"), None)


class PgBouncerJob(Struct, frozen=True, tag="pgbouncer"):
    """What to do: look at the console of ``target`` within ``seconds``."""

    target: Target
    seconds: float


class PgBouncerAnswer(Struct, frozen=True):
    """How far it came. ``shown`` are the rows of each SHOW that answered, by column name."""

    address: str | None = None
    user: str | None = None
    shown: Shown | None = None
    failure: Failure | None = None


def perform_pgbouncer(job: PgBouncerJob, tell: Callable[[PgBouncerAnswer], None]) -> None:
    """Connect to the console, ask every SHOW, close."""
    become(job.target.run_as, job.target.environment)
    console = connected(job, tell)
    if console is not None:
        try:
            tell(asked(console, job.target))
        finally:
            console.close()


def connected(job: PgBouncerJob, tell: Callable[[PgBouncerAnswer], None]) -> Connection | None:
    """A connection to the console; None, and the failure is told, where there is none."""
    import psycopg2

    try:
        parameters = _parameters(job.target)
    except psycopg2.ProgrammingError:
        remedy = "write postgresql://user@host:6432/pgbouncer"
        tell(PgBouncerAnswer(failure=Failure(INVALID_DSN, f"{job.target.named} cannot be read", remedy)))
        return None
    parameters["connect_timeout"] = str(max(2, int(job.seconds)))
    here = PgBouncerAnswer(_place(parameters), parameters.get("user"))
    tell(here)
    try:
        return connect(parameters)
    except psycopg2.Error as error:
        tell(structs.replace(here, failure=failure_of(str(error))))
        return None


def asked(console: Connection, target: Target, remembered: RememberedShows | None = None) -> PgBouncerAnswer:
    """The answers of every SHOW. Where the console breaks, ``console.closed`` is True afterwards.

    ``remembered`` belongs to this connection, and spares what rarely changes.
    """
    import psycopg2

    parameters = _parameters(target)
    shown: Shown = {}
    known: Shown = {}
    failure: Failure | None = None
    for name in SHOWS:
        if name in known:
            shown[name] = known[name]
            continue
        try:
            shown[name] = _rows(console, name)
            if name == "LISTS" and remembered is not None:
                known = remembered.still_serving(shown[name])
        except psycopg2.Error as error:
            failure = failure or failure_of(f"{error.diag.severity or ''} {error}")
            if console.closed:
                break
    if remembered is not None and not known:
        remembered.keep(shown)
    return PgBouncerAnswer(_place(parameters), parameters.get("user"), shown, failure)


def _parameters(target: Target) -> dict[str, str]:
    """The connection parameters. Raises psycopg2.ProgrammingError where the connection string cannot be read."""
    # The console is this one database, whatever the operator copied from odoo.conf.
    return {
        "port": "6432",
        "options": "",
        **connection_parameters(target),
        "dbname": CONSOLE_DATABASE,
        "application_name": "slotwise",
    }


def _place(parameters: Mapping[str, str]) -> str:
    return f"{parameters.get('host', '')}:{parameters['port']}".lstrip(":")


def _rows(console: Connection, name: str) -> list[dict[str, str | int | None]]:
    """The rows of one SHOW: numbers as numbers, everything else as text."""
    return [{column: _plain(value) for column, value in row.items()} for row in rows(console, f"SHOW {name}")]


def _plain(value: object) -> str | int | None:
    return value if value is None or isinstance(value, int) else str(value)
