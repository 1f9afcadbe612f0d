"""Rows of one collection -> the PostgreSQL parts of a Snapshot. Pure; rows are read by column name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from slotwise.collectors.pg_settings import settings_of_rows
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.postgres import (
    CLIENT_BACKEND,
    Activity,
    Backend,
    Blocked,
    Database,
    Databases,
    Locks,
    Override,
    Overrides,
    Role,
    Roles,
    Server,
    Settings,
)
from slotwise.snapshot.redaction import redact_text

Row = Mapping[str, object]
Rows = Sequence[Row]

HIDDEN_QUERY = "<insufficient privilege>"
"""What pg_stat_activity shows for the query of a session that the role may not see (pgstatfuncs.c, 12 to 18)."""
MOST_WAITING = 50
"""How many waiting sessions are asked for their blockers in one collection, at most."""
_CLOCKS_AGREE_SECONDS = 2.0


class PostgresParts(Struct, frozen=True):
    """What one collection brought."""

    server: Server
    activity: Activity
    settings: Settings
    roles: Roles
    databases: Databases
    overrides: Overrides
    locks: Locks | Unavailable


def waiting_pids(activity: Rows) -> tuple[int, ...]:
    """The sessions to ask for their blockers: those that wait for a heavyweight lock, the longest waiting first."""
    rows = [row for row in activity if row["wait_event_type"] == "Lock"]
    rows.sort(key=lambda row: str(row["state_change"] or ""))
    return tuple(_integer(row["pid"]) for row in rows[:MOST_WAITING])


def parts_of_rows(
    batch: Mapping[str, Rows],
    *,
    file_rows: Rows | None,
    blocking: Rows | None,
    version_num: int,
    address: str,
    taken_at: float,
    answered_at: float | None = None,
) -> PostgresParts:
    """The parts of a Snapshot. ``batch`` holds the rows of each query of the first round trip by its name.

    ``file_rows`` and ``blocking`` are None where they were not asked. Times of a server whose clock differs from this
    host's by more than two seconds are moved to this host's clock, so that ages come out right. The server read its
    clock between ``taken_at`` and ``answered_at`` (None: at once): a slow answer is no difference of clocks.
    """
    identity = batch["identity"][0]
    names = {
        "role": {_integer(row["oid"]): str(row["name"]) for row in batch["roles"]},
        "database": {_integer(row["oid"]): str(row["name"]) for row in batch["databases"]},
    }
    ahead = _epoch(identity["server_clock"]) or taken_at
    nearest = min(max(taken_at, ahead), max(taken_at, answered_at or taken_at))
    shift = nearest - ahead if abs(nearest - ahead) > _CLOCKS_AGREE_SECONDS else 0.0
    backends = tuple(_backend(row, names, shift) for row in batch["activity"])
    activity = Activity(backends, _integer(identity["own_pid"]), shift_seconds=shift)
    settings = settings_of_rows(batch["settings"], file_rows)
    directory = settings.find("data_directory")
    return PostgresParts(
        server=Server(
            version_num=version_num,
            address=address,
            user=str(identity["user"]),
            is_superuser=identity["is_superuser"] == "on",
            in_recovery=bool(identity["in_recovery"]),
            data_directory=directory.value if directory else None,
            # As the server says it: moved by an estimate it would change from look to look, like a restart.
            started_at=_epoch(identity["started_at"]),
            # The server's own background processes belong to no role: only who reads all statistics sees them in full.
            reads_all_stats=not activity.masked,
        ),
        activity=activity,
        settings=settings,
        roles=Roles(tuple(_role(row) for row in batch["roles"] if _matters(row))),
        databases=Databases(tuple(_database(row, names["role"]) for row in batch["databases"])),
        overrides=Overrides(tuple(o for row in batch["overrides"] for o in _overrides(row, names))),
        locks=_locks(activity, blocking),
    )


def _backend(row: Row, names: Mapping[str, Mapping[int, str]], shift: float) -> Backend:
    masked = row["query"] == HIDDEN_QUERY
    query = None if masked or row["query"] is None else redact_text(str(row["query"]))
    port = row["client_port"]
    return Backend(
        pid=_integer(row["pid"]),
        backend_type=_text(row["backend_type"]),
        database=names["database"].get(_integer(row["datid"])) if row["datid"] else None,
        user=names["role"].get(_integer(row["usesysid"])) if row["usesysid"] else None,
        application_name=None if masked else _text(row["application_name"]),
        client_addr=_address(row["client_addr"]),
        client_port=None if port is None else _integer(port),
        backend_start=_epoch(row["backend_start"], shift),
        xact_start=_epoch(row["xact_start"], shift),
        query_start=_epoch(row["query_start"], shift),
        state_change=_epoch(row["state_change"], shift),
        wait_event_type=_text(row["wait_event_type"]),
        wait_event=_text(row["wait_event"]),
        state=_text(row["state"]),
        query=query,
        leader_pid=_integer(row["leader_pid"]) if row.get("leader_pid") is not None else None,
        masked=masked,
    )


def _locks(activity: Activity, blocking: Rows | None) -> Locks | Unavailable:
    """Who waits for whom. Where some sessions are masked, silence proves nothing; what was found stays found."""
    blocked = tuple(Blocked(_integer(row["pid"]), _pids(row["blockers"])) for row in blocking or () if row["blockers"])
    hidden = sum(1 for b in activity.backends if b.masked and b.database is not None)
    if hidden and not blocked:
        return Unavailable(
            "pg_blocking_pids()",
            f"{hidden} sessions are masked for this role, so whether they wait for a lock is not visible",
            "GRANT pg_monitor TO the role that slotwise connects as",
        )
    if blocking is None and any(
        b.wait_event_type == "Lock" for b in activity.backends if b.backend_type == CLIENT_BACKEND
    ):
        return Unavailable("pg_blocking_pids()", "the server did not answer in time", "run slotwise again")
    return Locks(blocked)


def _matters(row: Row) -> bool:
    return bool(row["can_login"]) or _integer(row["connection_limit"]) >= 0


def _role(row: Row) -> Role:
    reserved = row.get("reserved")
    return Role(
        name=str(row["name"]),
        superuser=bool(row["superuser"]),
        connection_limit=_integer(row["connection_limit"]),
        can_login=bool(row["can_login"]),
        reserved=None if reserved is None else bool(reserved),
    )


def _database(row: Row, roles: Mapping[int, str]) -> Database:
    return Database(
        name=str(row["name"]),
        connection_limit=_integer(row["connection_limit"]),
        allows_connections=bool(row["allows_connections"]),
        is_template=bool(row["is_template"]),
        owner=roles.get(_integer(row["owner_oid"])),
    )


def _overrides(row: Row, names: Mapping[str, Mapping[int, str]]) -> list[Override]:
    """One row of pg_db_role_setting. A role or database that has just been dropped leaves nothing to say."""
    role_oid, database_oid = _integer(row["setrole"]), _integer(row["setdatabase"])
    role, database = names["role"].get(role_oid), names["database"].get(database_oid)
    if (role_oid and role is None) or (database_oid and database is None):
        return []
    pairs = (str(entry).partition("=") for entry in _list(row["setconfig"]))
    return [Override(role, database, name, redact_text(value)) for name, _, value in pairs]


def _address(value: object) -> str | None:
    """The client's address as sockets show it: an IPv4 address inside IPv6 as IPv4, without a zone."""
    if value is None:
        return None
    text = str(value).split("%")[0]
    return text.removeprefix("::ffff:") if "." in text else text


def _epoch(value: object, shift: float = 0.0) -> float | None:
    return value.timestamp() + shift if isinstance(value, datetime) else None


def _pids(value: object) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_integer(pid) for pid in _list(value)))


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _integer(value: object) -> int:
    return int(str(value))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
