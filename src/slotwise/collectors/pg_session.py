"""One collection over one connection. Runs in a process of its own (isolation.py): here it may hang, or change user.

The connection is in autocommit mode, called ``slotwise``, has timeouts of its own and is closed in any case.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from slotwise.collectors.pg_driver import connect, connection_parameters, reached, results
from slotwise.collectors.pg_failures import INVALID_DSN, Failure, failure_of
from slotwise.collectors.pg_parts import PostgresParts, Rows, parts_of_rows, waiting_pids
from slotwise.collectors.pg_probe import refusing_routine
from slotwise.collectors.pg_queries import BRIEF, CATALOGS, batch, read_all, second_batch
from slotwise.collectors.pg_target import LIBPQ_VARIABLES, OsUser, Target

if TYPE_CHECKING:
    from psycopg2 import Error
    from psycopg2.extensions import connection as Connection

APPLICATION_NAME = "slotwise"
_SOCKET_PREFIX = ".s.PGSQL."


class PostgresJob(Struct, frozen=True, tag="postgres"):
    """What to do: collect from ``target`` within ``seconds``. ``taken_at`` is the Snapshot's, in epoch seconds."""

    target: Target
    taken_at: float
    seconds: float


class PostgresAnswer(Struct, frozen=True):
    """How far a collection came. Each step is sent when it begins, so that a hang shows where it hung.

    ``through_pooler``: the server process that answered is not the one that the connection was made to. ``let_go``: the
    connection was closed after this answer although others are held (held_postgres.py says why).
    """

    step: Literal["connecting", "asking", "asking more", "complete", "failed"]
    address: str | None = None
    user: str | None = None
    database: str | None = None
    parts: PostgresParts | None = None
    failure: Failure | None = None
    through_pooler: bool = False
    let_go: bool = False


def prepare() -> None:
    """Import the driver: slow, so it happens while other evidence is read.

    The queries and the words of failures too, and before the process takes another user's identity: below /root that
    user can read nothing.
    """
    import psycopg2.extensions  # noqa: F401

    import slotwise.walls.classify  # noqa: F401

    read_all()


def perform_postgres(job: PostgresJob, tell: Callable[[PostgresAnswer], None]) -> None:
    """Connect, collect, close; every step is told."""
    ends = time.monotonic() + job.seconds
    become(job.target.run_as, job.target.environment)
    made = connected(job, tell)
    if made is not None:
        connection, here = made
        try:
            ask(connection, job, here, tell, ends - time.monotonic())
        finally:
            connection.close()


def connected(
    job: PostgresJob, tell: Callable[[PostgresAnswer], None], more: Mapping[str, str] | None = None
) -> tuple[Connection, PostgresAnswer] | None:
    """The connection and how far it came; None, and the failure is told, where there is none.

    ``more`` are connection parameters that what the operator gave wins over.
    """
    import psycopg2

    started = time.monotonic()
    try:
        attempts = _attempts(job.target, job.seconds)
    except psycopg2.ProgrammingError:
        attempts = []
    if not attempts or _torn(attempts[0]):
        # What libpq says of it is not repeated: it quotes what it could not read, maybe a piece of a password.
        remedy = "write postgresql://user:password@host:port/dbname; special characters in it as %40, %2F …"
        tell(PostgresAnswer("failed", failure=Failure(INVALID_DSN, f"{job.target.named} cannot be read", remedy)))
        return None
    for number, parameters in enumerate(attempts, 1):
        here = PostgresAnswer("connecting", _wanted(parameters), parameters.get("user"), parameters.get("dbname"))
        tell(here)
        try:
            return connect({**(more or {}), **parameters}), here
        except psycopg2.Error as error:
            failure = _connect_failure(error, parameters, job.seconds - (time.monotonic() - started))
            if failure.kind == "database_missing" and number < len(attempts):
                continue
            tell(msgspec.structs.replace(here, step="failed", failure=failure))
            break
    return None


def become(run_as: OsUser | None, environment: object) -> None:
    """Take the OS user's identity for good (this process ends soon), and the libpq environment of the instance."""
    if isinstance(environment, dict):
        for name in LIBPQ_VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(environment)
    if run_as is not None and run_as.uid != os.geteuid():
        os.initgroups(run_as.name, run_as.gid)
        os.setgid(run_as.gid)
        os.setuid(run_as.uid)
        os.environ["HOME"] = run_as.home
        os.chdir("/")


def _attempts(target: Target, seconds: float) -> list[dict[str, str]]:
    """The connection parameters to try in turn: the others only where the first database does not exist."""
    given = connection_parameters(target)
    own = {
        "application_name": APPLICATION_NAME,
        "client_encoding": "UTF8",
        # libpq counts whole seconds, and at least 2; the process's own timer is exact.
        "connect_timeout": str(max(2, int(seconds))),
    }
    # An empty `options` keeps PGOPTIONS of this process away: a PgBouncer would refuse it.
    first = {"options": "", **given, **own}
    if "dbname" not in given and "service" not in given and not os.environ.get("PGDATABASE"):
        first["dbname"] = "postgres"
    others = [name for name in target.fallback_databases if name != first.get("dbname")]
    return [first, *({**first, "dbname": name} for name in others)]


def _torn(parameters: dict[str, str]) -> bool:
    """Whether an unescaped / or @ in a password has torn the URI: pieces of it are then in the host, port or dbname."""
    port = parameters.get("port", "").replace(",", "")
    return "@" in parameters.get("host", "")[1:] or "@" in parameters.get("dbname", "") or not (port or "0").isdigit()


def _connect_failure(error: Error, parameters: dict[str, str], seconds_left: float) -> Failure:
    """What the refusal means. One text stands for full slots and for a full table of processes: the probe tells."""
    failure = failure_of(str(error))
    if failure.kind != "pg_slots_hard":
        return failure
    host, port = reached(str(error), parameters)
    routine = refusing_routine(host, port, parameters.get("user") or "postgres", min(1.0, seconds_left / 2))
    return failure_of(str(error), routine=routine, sqlstate="53300") if routine else failure


def _wanted(parameters: dict[str, str]) -> str | None:
    """Where the connection will be made to, as far as the parameters tell; ``:5432`` is libpq's own socket. None where
    a service file says it, which libpq reads and this does not."""
    if "service" in parameters or os.environ.get("PGSERVICE"):
        return None
    host = parameters.get("host") or parameters.get("hostaddr") or os.environ.get("PGHOST") or ""
    port = parameters.get("port") or os.environ.get("PGPORT") or "5432"
    return _address(host, port)


def _address(host: str, port: str) -> str:
    return f"{host}/{_SOCKET_PREFIX}{port}" if host.startswith("/") else f"{host}:{port}"


class Remembered:
    """The rows that a held connection need not ask for in every round: settings, roles, databases, files."""

    def __init__(self) -> None:
        self.rows: dict[str, Rows] = {}
        self.file_rows: Rows | None = None

    def serves(self, activity: Rows) -> bool:
        """Whether every database and role of the sessions is known: a new one makes it read again."""
        known = {name: {row["oid"] for row in self.rows[name]} for name in ("databases", "roles")}
        return all(
            (not row["datid"] or row["datid"] in known["databases"])
            and (not row["usesysid"] or row["usesysid"] in known["roles"])
            for row in activity
        )


def _first_rows(
    connection: Connection, version: int, milliseconds: int, remembered: Remembered | None
) -> dict[str, Rows]:
    """The rows of every query of the first transaction; what is remembered and still serves is not asked."""
    if remembered is not None and remembered.rows:
        identity, activity = results(connection, batch(version, milliseconds, BRIEF))
        rows: dict[str, Rows] = {**remembered.rows, "identity": identity, "activity": activity}
        if remembered.serves(activity):
            return rows
        remembered.file_rows = None
    settings, identity, activity = results(connection, batch(version, milliseconds))
    catalogs: dict[str, Rows] = {name: msgspec.json.decode(identity[0].pop(name)) for name in CATALOGS}
    rows = {"settings": settings, "identity": identity, "activity": activity, **catalogs}
    if remembered is not None:
        remembered.rows = {name: found for name, found in rows.items() if name not in BRIEF}
    return rows


def ask(
    connection: Connection,
    job: PostgresJob,
    here: PostgresAnswer,
    tell: Callable[[PostgresAnswer], None],
    seconds: float,
    remembered: Remembered | None = None,
) -> None:
    """Collect over ``connection`` within ``seconds``, telling every step. ``remembered`` spares what rarely changes."""
    import psycopg2

    info = connection.info
    here = msgspec.structs.replace(
        here, step="asking", address=_address(info.host, str(info.port)), user=info.user, database=info.dbname
    )
    tell(here)
    milliseconds = max(100, int(seconds * 900))
    version = info.server_version
    try:
        rows = _first_rows(connection, version, milliseconds, remembered)
    except psycopg2.Error as error:
        tell(msgspec.structs.replace(here, step="failed", failure=_query_failure(error)))
        return
    answered_at = time.time()

    def parts(file_rows: Rows | None, blocking: Rows | None) -> PostgresParts:
        return parts_of_rows(
            rows,
            file_rows=file_rows,
            blocking=blocking,
            version_num=version,
            address=here.address or "",
            taken_at=job.taken_at,
            answered_at=answered_at,
        )

    own_pid = rows["identity"][0]["own_pid"]
    here = msgspec.structs.replace(here, through_pooler=own_pid != info.backend_pid)
    waiting = waiting_pids(rows["activity"])
    known_files = remembered.file_rows if remembered is not None else None
    files_too = rows["identity"][0]["is_superuser"] == "on" and known_files is None
    if not waiting and not files_too:
        tell(msgspec.structs.replace(here, step="complete", parts=parts(known_files, None)))
        return
    tell(msgspec.structs.replace(here, step="asking more", parts=parts(None, None)))
    try:
        more = results(connection, second_batch(version, milliseconds, files_too=files_too, waiting=waiting))
    except psycopg2.Error as error:
        failure = _query_failure(error)
        tell(msgspec.structs.replace(here, step="failed", parts=parts(None, None), failure=failure))
        return
    file_rows: Rows | None = more[0] if files_too else known_files
    if remembered is not None:
        remembered.file_rows = file_rows
    blocking = more[-1] if waiting else None
    tell(msgspec.structs.replace(here, step="complete", parts=parts(file_rows, blocking)))


def _query_failure(error: Error) -> Failure:
    return failure_of(f"{error.diag.severity or ''} {error}", sqlstate=error.pgcode)
