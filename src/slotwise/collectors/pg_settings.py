"""Rows of pg_settings and pg_file_settings -> Settings: the server's values, not those of slotwise's own session.

``reset_val`` stands for what the session may change itself: its keepalives are those of its own socket (0 over a
Unix-domain socket: show_tcp_keepalives_idle, src/backend/utils/misc/guc.c and backend/libpq/pqcomm.c, 12 to 18).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from slotwise.snapshot.postgres import Setting, Settings

Row = Mapping[str, object]

_NAMES = """
    allow_alter_system authentication_timeout autovacuum_max_workers autovacuum_work_mem autovacuum_worker_slots
    client_connection_check_interval cluster_name config_file data_directory deadlock_timeout
    effective_cache_size hash_mem_multiplier hba_file huge_pages huge_pages_status idle_in_transaction_session_timeout
    idle_session_timeout io_workers jit lc_messages listen_addresses lock_timeout log_connections log_destination
    log_directory log_disconnections log_filename log_line_prefix log_lock_waits log_min_messages logging_collector
    maintenance_work_mem max_connections max_files_per_process max_locks_per_transaction
    max_parallel_maintenance_workers max_parallel_workers max_parallel_workers_per_gather max_prepared_transactions
    max_replication_slots max_wal_senders max_worker_processes password_encryption port
    rds.rds_superuser_reserved_connections reserved_connections server_version server_version_num shared_buffers
    shared_memory_size statement_timeout superuser_reserved_connections tcp_keepalives_count tcp_keepalives_idle
    tcp_keepalives_interval tcp_user_timeout temp_buffers track_activities track_activity_query_size transaction_timeout
    unix_socket_directories update_process_title wal_level work_mem
"""
KEPT = frozenset(_NAMES.split())
"""The settings that go into a Snapshot; any other that waits for a restart goes in too."""

_OF_THE_SESSION = frozenset({"user", "superuser", "backend", "superuser-backend"})
"""Contexts of pg_settings that a session or its role can change."""
_OF_THE_LOGIN = frozenset({"global", "database", "user", "database user", "client"})
"""Sources of pg_settings that say: this value is for slotwise's own role, database or environment."""
_COMMAND_LINE = frozenset({"command line", "environment variable"})

_BYTES = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_MICROSECONDS = {"us": 1, "ms": 1000, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}


def settings_of_rows(rows: Sequence[Row], file_rows: Sequence[Row] | None) -> Settings:
    """The settings that matter here. ``file_rows`` is None where the role may not read the files' contents."""
    in_files = None if file_rows is None else _last_of_each(file_rows)
    return Settings(
        tuple(
            _setting(row, in_files)
            for row in sorted(rows, key=lambda row: str(row["name"]))
            if row["name"] in KEPT or row["pending_restart"] is True
        )
    )


def _last_of_each(file_rows: Sequence[Row]) -> dict[str, Row]:
    """The row that counts for each name: the last one that is no mistake in the file (those have no name)."""
    ordered = sorted(file_rows, key=lambda row: int(str(row["seqno"] or 0)))
    return {str(row["name"]).lower(): row for row in ordered if row["name"]}


def _setting(row: Row, in_files: Mapping[str, Row] | None) -> Setting:
    context, unit = _text(row["context"]), _text(row["unit"])
    value = _text(row["reset_val"] if context in _OF_THE_SESSION else row["setting"])
    source, sourcefile, boot = str(row["source"]), _text(row["sourcefile"]), _text(row["boot_val"])
    name, pending = str(row["name"]), row["pending_restart"] is True
    written = None if in_files is None else in_files.get(name.lower())
    if source in _OF_THE_LOGIN and in_files is not None:
        # What this login gets hides what the others get; the files tell that, or the default when they are silent.
        in_file = None if written is None else in_unit(_text(written["setting"]), unit)
        if written is None:
            value, source, sourcefile = boot, "default", None
        elif in_file is not None:
            value, source, sourcefile = in_file, "configuration file", _text(written["sourcefile"])
    return Setting(
        name=name,
        value=value or "",
        unit=unit,
        source=source,
        pending_restart=pending,
        context=context,
        sourcefile=sourcefile,
        boot_value=boot,
        next_start=_next_start(row, written, in_files is not None, unit) if context == "postmaster" else None,
    )


def _next_start(row: Row, written: Row | None, files_read: bool, unit: str | None) -> str | None:
    """What a restart would bring, where that is known to differ from what runs or where it is known *not* to.

    A value from the command line (Patroni, Docker's ``-c``) wins over the files at the next start too: PostgreSQL says
    pending_restart when the files differ from it, but a restart will not bring the files' value (seen on 15).
    """
    now = _text(row["setting"])
    if row["source"] in _COMMAND_LINE:
        return now if row["pending_restart"] is True else None
    if not files_read:
        return None
    if written is not None:
        then = in_unit(_text(written["setting"]), unit)
    elif row["source"] == "configuration file":
        then = _text(row["boot_val"])
    else:
        return None
    return then if then != now else None


def in_unit(text: str | None, unit: str | None) -> str | None:
    """A value as written in a file (``256MB``) in the unit of pg_settings (``8kB`` -> ``32768``).

    None when it cannot be converted exactly as PostgreSQL would (rounding to the nearest whole number of units).
    """
    if text is None or unit is None:
        return text
    scale = _scale(unit)
    digits = text.strip().rstrip("TGMKkBusminhd ")
    suffix = text.strip()[len(digits) :].strip()
    try:
        number = Decimal(digits)
    except InvalidOperation:
        return None
    if scale is None:
        return None
    table, of_unit = scale
    if not suffix:
        return text.strip()
    if suffix not in table:
        return None
    return str(round(number * table[suffix] / of_unit))


def _scale(unit: str) -> tuple[dict[str, int], int] | None:
    """The table of units that ``unit`` belongs to, and its own size in it: ``8kB`` is 8192 bytes."""
    name = unit.lstrip("0123456789")
    factor = int(unit[: len(unit) - len(name)] or 1)
    for table in (_BYTES, _MICROSECONDS):
        if name in table:
            return table, factor * table[name]
    return None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
