"""One look at a PgBouncer's admin console. Runs in a process of its own (isolation.py), like every connection.

The console speaks the simple protocol only. SHOW FDS is never asked: it stops PgBouncer's only thread while it answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from slotwise.collectors.pg_failures import INVALID_DSN, Failure, failure_of
from slotwise.collectors.pg_session import become
from slotwise.collectors.pg_target import Target

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import DictRow

CONSOLE_DATABASE = "pgbouncer"
SHOWS = ("VERSION", "CONFIG", "DATABASES", "POOLS", "CLIENTS", "SERVERS", "LISTS", "STATS")

Shown = dict[str, list[dict[str, str | int | None]]]


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
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.rows import dict_row

    become(job.target.run_as, job.target.environment)
    try:
        given = {k: str(v) for k, v in conninfo_to_dict(job.target.dsn, **job.target.parameters).items()}
    except psycopg.ProgrammingError:
        remedy = "write postgresql://user@host:6432/pgbouncer"
        tell(PgBouncerAnswer(failure=Failure(INVALID_DSN, f"{job.target.named} cannot be read", remedy)))
        return
    parameters = {
        "port": "6432",
        "options": "",
        **given,
        # The console is this one database, whatever the operator copied from odoo.conf.
        "dbname": CONSOLE_DATABASE,
        "application_name": "slotwise",
        "connect_timeout": str(max(2, int(job.seconds))),
    }
    address = f"{parameters.get('host', '')}:{parameters['port']}".lstrip(":")
    user = parameters.get("user")
    tell(PgBouncerAnswer(address, user))
    try:
        console = psycopg.connect(
            **parameters,  # type: ignore[arg-type]
            autocommit=True,
            prepare_threshold=None,
            cursor_factory=psycopg.ClientCursor,
            row_factory=dict_row,
        )
    except psycopg.Error as error:
        tell(PgBouncerAnswer(address, user, failure=failure_of(str(error))))
        return
    shown: Shown = {}
    failure: Failure | None = None
    try:
        for name in SHOWS:
            try:
                shown[name] = _rows(console, name)
            except psycopg.Error as error:
                failure = failure or failure_of(f"{error.diag.severity or ''} {error}")
                if console.closed:
                    break
    finally:
        console.close()
    tell(PgBouncerAnswer(address, user, shown, failure))


def _rows(console: Connection[DictRow], name: str) -> list[dict[str, str | int | None]]:
    """The rows of one SHOW: numbers as numbers, everything else as text."""
    return [
        {column: _plain(value) for column, value in row.items()} for row in console.execute(f"SHOW {name}".encode())
    ]


def _plain(value: Any) -> str | int | None:
    return value if value is None or isinstance(value, int) else str(value)
