"""Changes as SQL statements, with every name and value quoted: a role may be called ``o'doo"; drop``."""

from __future__ import annotations

from slotwise.findings import AlterDatabase, AlterRole, EndSession, RestartServer, SetServerSetting


def identifier(name: str) -> str:
    """A name in double quotes. Raises ValueError for a name that PostgreSQL cannot have (empty, or with a NUL)."""
    if not name or "\0" in name:
        raise ValueError(f"{name!r} cannot be a PostgreSQL name")
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A string constant, whatever standard_conforming_strings says. Raises ValueError for a NUL."""
    if "\0" in value:
        raise ValueError("a PostgreSQL string cannot hold a NUL")
    quoted = "'" + value.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in value else quoted


def parameter(name: str) -> str:
    """A configuration parameter's name, checked: letters, digits, underscores and dots only."""
    if not name.replace("_", "").replace(".", "").isalnum() or not name.isascii():
        raise ValueError(f"{name!r} is not a configuration parameter")
    return name


def statements(
    change: AlterRole | AlterDatabase | SetServerSetting | EndSession | RestartServer,
) -> tuple[str, ...]:
    """The change as statements without semicolons, in order. A restart has none: no statement restarts a server."""
    match change:
        case AlterRole():
            return _alter_role(change)
        case AlterDatabase():
            return _alter_database(change)
        case SetServerSetting():
            return (f"ALTER SYSTEM SET {parameter(change.name)} = {literal(change.value)}",)
        case EndSession():
            return (end_session(change.pid),)
        case RestartServer():
            return ()


def end_session(pid: int) -> str:
    """Terminate the session only if it is still the one that was meant: pid and backend_start are both compared
    ($1)."""
    return (
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
        f" WHERE pid = {int(pid)} AND backend_start = $1"
    )


def _alter_role(change: AlterRole) -> tuple[str, ...]:
    role = identifier(change.role)
    made: list[str] = []
    if change.superuser is not None:
        made.append(f"ALTER ROLE {role} {'SUPERUSER' if change.superuser else 'NOSUPERUSER'}")
    if change.connection_limit is not None:
        made.append(f"ALTER ROLE {role} CONNECTION LIMIT {int(change.connection_limit)}")
    if change.set_name is not None:
        where = f" IN DATABASE {identifier(change.database)}" if change.database is not None else ""
        made.append(f"ALTER ROLE {role}{where} {_set_or_reset(change.set_name, change.set_value)}")
    return tuple(made)


def _alter_database(change: AlterDatabase) -> tuple[str, ...]:
    database = identifier(change.database)
    made: list[str] = []
    if change.connection_limit is not None:
        made.append(f"ALTER DATABASE {database} CONNECTION LIMIT {int(change.connection_limit)}")
    if change.set_name is not None:
        made.append(f"ALTER DATABASE {database} {_set_or_reset(change.set_name, change.set_value)}")
    return tuple(made)


def _set_or_reset(name: str, value: str | None) -> str:
    return f"RESET {parameter(name)}" if value is None else f"SET {parameter(name)} = {literal(value)}"
