"""The hands on the servers: one statement, a reload, and reading back what runs. Each opens its own short session."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from slotwise.errors import OperatorError
from slotwise.fixes.remedy import ReloadPgBouncer, ReloadPostgres, RunSql
from slotwise.fixes.sql_text import identifier

if TYPE_CHECKING:
    from psycopg import Connection

_RELOAD_DEADLINE_SECONDS = 10.0
_POLL_SECONDS = 0.02


class Way(Struct, frozen=True):
    """How to reach a server: a connection string, libpq parameters that win over it, and the OS user to connect as
    (peer authentication; only root can). Holds passwords, so its repr does not show them."""

    dsn: str = ""
    parameters: Mapping[str, str] = {}
    uid: int | None = None

    def __repr__(self) -> str:
        return "Way()"


@contextmanager
def postgres(way: Way) -> Iterator[Connection[tuple[Any, ...]]]:
    """A session in autocommit mode. Raises OperatorError when it cannot be opened."""
    import psycopg

    given = {"application_name": "slotwise fix", "connect_timeout": "10", **way.parameters}
    try:
        with as_user(way.uid):
            connection = psycopg.connect(way.dsn, autocommit=True, prepare_threshold=None, **given)  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise OperatorError(
            f"PostgreSQL: {_first_line(error)}", "give --dsn of a superuser on the server itself"
        ) from error
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def as_user(uid: int | None) -> Iterator[None]:
    """The effective user while connecting: peer authentication looks at it (SO_PEERCRED)."""
    if uid is None or uid == os.geteuid():
        yield
        return
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


def without_password(way: Way) -> dict[str, str]:
    """The libpq parameters of a way, passwords left out."""
    from psycopg.conninfo import conninfo_to_dict

    given = conninfo_to_dict(way.dsn, **way.parameters)
    return {key: str(value) for key, value in given.items() if value is not None and "password" not in key}


def scram_verifier(password: str) -> str:
    """What PostgreSQL stores for a password (RFC 5803; ASCII only, as SASLprep
    leaves it unchanged), so that the password itself is in no statement and no log."""
    import base64
    import hashlib
    import hmac
    import secrets

    salt, rounds = secrets.token_bytes(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    shown = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(rounds, *shown)


class Servers:
    """PostgreSQL and the PgBouncer consoles that steps change. ``consoles`` are ways by address."""

    def __init__(self, database: Way | None, consoles: Mapping[str, Way] | None = None) -> None:
        self._database = database
        self._consoles = dict(consoles or {})

    @property
    def database(self) -> Way | None:
        """The way to PostgreSQL."""
        return self._database

    @property
    def consoles(self) -> Mapping[str, Way]:
        """The ways to PgBouncer's consoles."""
        return self._consoles

    def answer(self, step: RunSql) -> str | None:
        """What the step's probe says now."""
        import psycopg

        with postgres(self._way()) as session:
            try:
                row = session.execute(step.probe.encode()).fetchone()
            except psycopg.Error as error:
                raise OperatorError(f"PostgreSQL: {_first_line(error)}", "nothing was changed by this step") from error
        return None if row is None else (None if row[0] is None else str(row[0]))

    def run(self, statement: str, *, secret: bool = False) -> None:
        """Run one statement. Raises OperatorError with PostgreSQL's words when it is refused."""
        import psycopg

        with postgres(self._way()) as session:
            try:
                session.execute(statement.encode())
            except psycopg.Error as error:
                shown = "a statement with a secret" if secret else statement
                raise OperatorError(
                    f"{shown}: {_first_line(error)}", "give --dsn of a role that may do this"
                ) from error

    def reload(self, step: ReloadPostgres, *, expect: bool = True) -> tuple[str, ...]:
        """Have the configuration files read, and name those of ``step.expect`` that only a restart will bring.

        Raises OperatorError when the files have errors or do not say what was meant.
        """
        with postgres(self._way()) as session:
            loaded = session.execute("SELECT pg_conf_load_time()").fetchone()
            session.execute("SELECT pg_reload_conf()")
            _until_reloaded(session, loaded)
            if not expect:
                return ()
            rows = session.execute(
                "SELECT name, setting, applied, error FROM pg_file_settings ORDER BY seqno"
            ).fetchall()
            last = {str(name).lower(): (setting, applied, error) for name, setting, applied, error in rows if name}
            waiting = session.execute("SELECT name FROM pg_settings WHERE pending_restart").fetchall()
            names = {str(name) for (name,) in waiting}
            missing = (None, False, "it is in no file")
            wrong: list[str] = []
            for name, value in step.expect.items():
                setting, applied, error = last.get(name.lower(), missing)
                # A value that waits for a restart is not applied either, with the same words as one that is refused.
                if setting != value or not (applied or name in names):
                    wrong.append(f"{name} = {value} ({error or f'the files say {setting}'})")
            if wrong:
                raise OperatorError(f"PostgreSQL does not take {'; '.join(wrong)}", "the change is rolled back")
        return tuple(name for name in step.expect if name in names)

    def reload_pgbouncer(self, step: ReloadPgBouncer, *, expect: bool = True) -> tuple[str, ...]:
        """RELOAD, and name those of ``step.expect`` that only a restart of PgBouncer brings. Raises OperatorError when
        it refuses the file or does not show what was meant."""
        rows, modes = self._console(step.address, ("RELOAD", "SHOW CONFIG", "SHOW DATABASES"))[1:]
        if not expect:
            return ()
        config = {row["key"]: row for row in rows}
        pending: list[str] = []
        wrong: list[str] = []
        for name, value in step.expect.items():
            shown = config.get(name)
            if shown is None:
                wrong.append(f"{name} is unknown to it")
            elif not _same_value(shown["value"] or "", value):
                (pending if shown.get("changeable") == "no" else wrong).append(
                    f"{name} is {shown['value']}, not {value}"
                )
        for database, mode in step.pool_modes.items():
            row = next((r for r in modes if r["name"] == database), None)
            if row is None or (row["pool_mode"] or config["pool_mode"]["value"]) != mode:
                wrong.append(f"database {database} is not in {mode} mode")
        if wrong:
            raise OperatorError(
                f"PgBouncer {step.address}: {'; '.join(wrong)}", "see its log; the change is rolled back"
            )
        return tuple(pending)

    def pause(self, address: str, seconds: float) -> tuple[str, ...]:
        """Hold the clients of every database whose pool is not in session mode, and name these databases.

        PAUSE waits until each server connection is given back (admin.c; config.md, "PAUSE [db]"): in session mode that
        is when its client leaves, and a session that LISTENs never does. Raises OperatorError, with nothing held, when
        transactions still run after ``seconds``.
        """
        config, databases = self._console(address, ("SHOW CONFIG", "SHOW DATABASES"))
        usual = next((row["value"] for row in config if row["key"] == "pool_mode"), "session")
        shared = [
            str(row["name"])
            for row in databases
            if (row["pool_mode"] or usual) != "session" and row["name"] not in ("pgbouncer", None)
        ]
        deadline = time.monotonic() + seconds
        begun: list[str] = []
        try:
            for name in shared:
                begun.append(name)
                self._console(address, (f"PAUSE {identifier(name)}",), deadline)
        except OperatorError:
            self.resume(address, tuple(begun))
            raise
        return tuple(begun)

    def resume(self, address: str, databases: tuple[str, ...]) -> None:
        """Serve the clients of these databases again. Raises OperatorError, after all were tried, when one failed."""
        failed: list[str] = []
        for name in databases:
            try:
                self._console(address, (f"RESUME {identifier(name)}",))
            except OperatorError as error:
                failed.append(error.problem)
        if failed:
            raise OperatorError("; ".join(failed), "RESUME on PgBouncer's console")

    def _console(
        self, address: str, commands: tuple[str, ...], deadline: float | None = None
    ) -> list[list[dict[str, str | None]]]:
        way = self._consoles.get(address)
        if way is None:
            raise OperatorError(f"no console of PgBouncer {address}", "give --pgbouncer DSN of one of its admin_users")
        import psycopg

        try:
            with as_user(way.uid):
                console = psycopg.connect(
                    way.dsn,
                    autocommit=True,
                    prepare_threshold=None,
                    cursor_factory=psycopg.ClientCursor,
                    **{"dbname": "pgbouncer", "connect_timeout": "10", **way.parameters},  # type: ignore[arg-type]
                )
        except psycopg.Error as error:
            raise OperatorError(f"PgBouncer {address}: {_first_line(error)}", "give --pgbouncer DSN") from error
        try:
            return [_rows(console, command, deadline) for command in commands]
        except psycopg.Error as error:
            raise OperatorError(
                f"PgBouncer {address}: {_first_line(error)}", "use a user of its admin_users"
            ) from error
        finally:
            console.close()

    def _way(self) -> Way:
        if self._database is None:
            raise OperatorError("no connection to PostgreSQL that may change it", "give --dsn")
        return self._database


def _rows(
    console: Connection[tuple[Any, ...]], command: str, deadline: float | None = None
) -> list[dict[str, str | None]]:
    from psycopg import DatabaseError
    from psycopg.pq import ExecStatus

    if deadline is not None:
        _answered(console, command, deadline)
        return []
    result = console.pgconn.exec_(command.encode())
    if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        raise DatabaseError(result.error_message.decode("utf-8", "replace"))
    names = [(result.fname(n) or b"").decode() for n in range(result.nfields)]
    rows: list[dict[str, str | None]] = []
    for row in range(result.ntuples):
        values = [result.get_value(row, n) for n in range(result.nfields)]
        rows.append(
            {name: None if v is None else v.decode("utf-8", "replace") for name, v in zip(names, values, strict=True)}
        )
    return rows


def _answered(console: Connection[tuple[Any, ...]], command: str, deadline: float) -> None:
    """Send a command that may take long, and wait for its end until ``deadline`` (time.monotonic)."""
    import select

    from psycopg import DatabaseError
    from psycopg.pq import ExecStatus

    console.pgconn.send_query(command.encode())
    while True:
        while console.pgconn.is_busy():
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([console.pgconn.socket], [], [], left)[0]:
                raise OperatorError(
                    f"{command}: transactions still run, some may be scheduled actions", "try again at a quiet time"
                )
            console.pgconn.consume_input()
        result = console.pgconn.get_result()
        if result is None:
            return
        if result.status != ExecStatus.COMMAND_OK:
            raise DatabaseError(result.error_message.decode("utf-8", "replace"))


def _until_reloaded(session: Connection[tuple[Any, ...]], before: tuple[Any, ...] | None) -> None:
    """A backend reads the files when it is told to, which is soon after the postmaster was."""
    end = time.monotonic() + _RELOAD_DEADLINE_SECONDS
    while session.execute("SELECT pg_conf_load_time()").fetchone() == before:
        if time.monotonic() > end:
            raise OperatorError("PostgreSQL did not read its configuration files", "see its log")
        time.sleep(_POLL_SECONDS)


def _same_value(shown: str, wanted: str) -> bool:
    if shown == wanted:
        return True
    try:
        return float(shown) == float(wanted)
    except ValueError:
        return False


def _first_line(error: Exception) -> str:
    return " ".join(str(error).strip().splitlines()[:1]) or type(error).__name__
