"""Reads rows of PostgreSQL's views that were saved as JSON: by column name, missing columns and nulls tolerated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone

from slotwise.snapshot.postgres import Activity, Backend, Database, Databases, Role, Roles, Setting, Settings
from slotwise.snapshot.redaction import redact_text

Row = Mapping[str, object]

MASKED_QUERY = "<insufficient privilege>"
"""What pg_stat_activity.query shows of a session that the role may not see (src/backend/utils/adt/pgstatfuncs.c)."""
RECORDER = "recorder"
"""application_name of the sessions that the recorder itself opened: they stand for slotwise's own."""
OWN = "slotwise"


def activity_of_rows(rows: Iterable[Row]) -> Activity:
    """pg_stat_activity. The recorder's own sessions become slotwise's own, which every count leaves out."""
    backends = tuple(b for b in map(_backend, rows) if b is not None)
    own = [b for b in backends if b.application_name == OWN and b.state == "active"]
    return Activity(backends, own[0].pid if own else None)


def _backend(row: Row) -> Backend | None:
    pid = integer(row, "pid")
    if pid is None:
        return None
    query = text(row, "query")
    masked = query == MASKED_QUERY
    name = text(row, "application_name")
    return Backend(
        pid=pid,
        backend_type=text(row, "backend_type"),
        database=text(row, "datname"),
        user=text(row, "usename"),
        application_name=None if masked else (OWN if name == RECORDER else name),
        client_addr=text(row, "client_addr"),
        client_port=integer(row, "client_port"),
        backend_start=epoch(row, "backend_start"),
        xact_start=epoch(row, "xact_start"),
        query_start=epoch(row, "query_start"),
        state_change=epoch(row, "state_change"),
        wait_event_type=text(row, "wait_event_type"),
        wait_event=text(row, "wait_event"),
        state=text(row, "state"),
        query=None if masked or query is None else redact_text(query),
        leader_pid=integer(row, "leader_pid"),
        masked=masked,
    )


def settings_of_rows(rows: Iterable[Row]) -> Settings:
    """pg_settings."""
    found = (_setting(row) for row in rows)
    return Settings(tuple(s for s in found if s is not None))


def _setting(row: Row) -> Setting | None:
    name, value = text(row, "name"), text(row, "setting")
    if name is None or value is None:
        return None
    return Setting(
        name=name,
        value=redact_text(value),
        unit=text(row, "unit"),
        source=text(row, "source") or "unknown",
        pending_restart=row.get("pending_restart") is True,
        context=text(row, "context"),
        sourcefile=text(row, "sourcefile"),
        boot_value=text(row, "boot_val"),
    )


def roles_of_rows(rows: Iterable[Row]) -> Roles:
    """pg_roles. A limit that the row does not show is taken as none (-1), the default of CREATE ROLE."""
    return Roles(
        tuple(
            Role(name, row.get("rolsuper") is True, _limit(row, "rolconnlimit"), row.get("rolcanlogin") is not False)
            for row in rows
            if (name := text(row, "rolname")) is not None
        )
    )


def databases_of_rows(rows: Iterable[Row]) -> Databases:
    """pg_database."""
    return Databases(
        tuple(
            Database(
                name,
                _limit(row, "datconnlimit"),
                row.get("datallowconn") is not False,
                row.get("datistemplate") is True,
                text(row, "owner"),
            )
            for row in rows
            if (name := text(row, "datname")) is not None
        )
    )


def _limit(row: Row, column: str) -> int:
    value = integer(row, column)
    return -1 if value is None else value


def text(row: Row, column: str) -> str | None:
    """A column as text; None where it is missing or null."""
    value = row.get(column)
    if value is None or isinstance(value, (dict, list)):
        return None
    return str(value)


def integer(row: Row, column: str) -> int | None:
    """A column as a whole number; None where it is missing, null or none."""
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def epoch(row: Row, column: str) -> float | None:
    """A timestamp column as epoch seconds: a number, or text as PostgreSQL and Python print it (UTC without an
    offset)."""
    value = row.get(column)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    full = re.sub(r"([+-]\d\d)$", r"\1:00", value.strip().replace("Z", "+00:00"))
    full = re.sub(r"\.(\d{1,6})\d*", lambda m: "." + m[1].ljust(6, "0"), full)
    try:
        moment = datetime.fromisoformat(full)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
