"""Why PostgreSQL (or a pooler in front of it) did not answer: the server's words -> reason, wall and remedy. Pure."""

from __future__ import annotations

from msgspec import Struct

from slotwise.snapshot.redaction import redact_text

REMEDIES = {
    "pg_slots_hard": "end one idle session to get in (kill -TERM of a client backend, never -9), then run doctor again",
    "pg_process_table": "find what opens connections without logging in (health checks, port scans) and stop it",
    "pg_slots_reserved": "run doctor as root or as the server's OS user on the database host: the reserve lets it in",
    "pg_slots_reserved_superuser": "run doctor as root or as the server's OS user on the database host: "
    "the reserve lets it in",
    "pg_slots_reserved_role": "run doctor as a role that may use the reserve: "
    "GRANT pg_monitor, pg_use_reserved_connections TO it",
    "pg_role_limit": "connect as another role: give --dsn, or run doctor as root on the database host",
    "pg_database_limit": "connect to another database: give --dsn with dbname=postgres",
    "authentication": "give --dsn with a user that may log in, or correct its password in odoo.conf or ~/.pgpass",
    "database_missing": "give --dsn with the name of a database that exists",
    "database_closed": "give --dsn with another dbname",
    "startup_parameter": "remove `options` from the connection string: the pooler in between does not take it",
    "pg_starting": "wait until the server has started, then run doctor again",
    "pg_recovery": "the server restarts after a crash: wait, then read its log for what crashed it",
    "pg_shutdown": "start the server again",
    "dns": "check the host name in --dsn or db_host",
    "connection_refused": "check that PostgreSQL runs and listens there: host and port of --dsn or odoo.conf",
    "connection_timeout": "check the network way to the server, or give a longer --timeout",
    "connection_lost": "look into the server's log; when it runs again, run doctor again",
    "tls": "check sslmode and certificates in --dsn",
    "statement_timeout": "give a longer --timeout: the server is slow or something locks its catalogs",
}
_OTHERWISE = "connect with psql and the same parameters to see the whole message"
INVALID_DSN = "invalid_dsn"
SILENT = "silent"
UNREAD = "unread"
"""The tables of translated messages could not be read here (another OS user): the text must be looked at elsewhere."""


class Failure(Struct, frozen=True):
    """Why there is no answer. ``wall`` is a Wall's value where a limit on connections refused, else None.

    ``kind`` is the exact class that slotwise.walls gives it, or INVALID_DSN, SILENT, ``other``. ``text`` is the
    server's own words, redacted.
    """

    kind: str
    text: str
    remedy: str
    wall: str | None = None


def failure_of(text: str, *, routine: str | None = None, sqlstate: str | None = None) -> Failure:
    """What the error text of a connection attempt or of a query means."""
    # Here, because a look that meets no failure does without the tables of texts.
    from slotwise.walls.classify import wall_of_connect_error
    from slotwise.walls.kinds import Role

    try:
        seen = wall_of_connect_error(text, routine=routine, sqlstate=sqlstate)
    except OSError:
        return Failure(UNREAD, _telling_line(text, None), _OTHERWISE)
    words = _telling_line(text, None if seen is None else seen.start)
    if seen is None:
        return Failure("other", words, _OTHERWISE)
    wall = seen.wall.value if seen.wall.refuses and seen.role is Role.REFUSAL else None
    return Failure(seen.kind, words, REMEDIES.get(seen.kind, _OTHERWISE), wall)


def read_again(failure: Failure | None) -> Failure | None:
    """A failure whose text could not be looked at where it was met, looked at here."""
    return failure_of(failure.text) if failure is not None and failure.kind == UNREAD else failure


def _telling_line(text: str, at: int | None) -> str:
    """The line that says most: the first FATAL, else the one with the words that were recognised, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no message"]
    fatal = next((line for line in lines if "FATAL" in line), None)
    if fatal is not None:
        said = fatal[fatal.index("FATAL") :]
    elif at is not None:
        said = (text[text.rfind("\n", 0, at) + 1 :].splitlines() or lines)[0].strip()
    else:
        said = lines[-1]
    return redact_text(said)[:500]
