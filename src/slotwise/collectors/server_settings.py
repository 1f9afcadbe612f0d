"""A server's settings without a connection: what runs (pg_controldata), and what the next start would bring (files).

Precedence at a start: default, postgresql.conf with its includes, postgresql.auto.conf, command line
(src/backend/utils/misc/guc.c and guc-file.l, 12 to 18).
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from msgspec import Struct

from slotwise.collectors.conf_files import ConfFiles
from slotwise.collectors.control_data import SOURCE as CONTROL_DATA
from slotwise.collectors.pg_settings import in_unit
from slotwise.snapshot.postgres import Setting, Settings

# name: (unit, default, first version, context): pg_settings of 12 to 18; a default that initdb writes or that changed
# between versions is left out.
_PARAMETERS: dict[str, tuple[str | None, str | None, int, str]] = {
    "autovacuum_max_workers": (None, "3", 12, "postmaster"),
    "client_connection_check_interval": ("ms", "0", 14, "user"),
    "cluster_name": (None, "", 12, "postmaster"),
    "hash_mem_multiplier": (None, None, 13, "user"),
    "huge_pages": (None, "try", 12, "postmaster"),
    "idle_in_transaction_session_timeout": ("ms", "0", 12, "user"),
    "idle_session_timeout": ("ms", "0", 14, "user"),
    "listen_addresses": (None, "localhost", 12, "postmaster"),
    "lock_timeout": ("ms", "0", 12, "user"),
    "maintenance_work_mem": ("kB", "65536", 12, "user"),
    "max_connections": (None, "100", 12, "postmaster"),
    "max_locks_per_transaction": (None, "64", 12, "postmaster"),
    "max_prepared_transactions": (None, "0", 12, "postmaster"),
    "max_wal_senders": (None, "10", 12, "postmaster"),
    "max_worker_processes": (None, "8", 12, "postmaster"),
    "port": (None, "5432", 12, "postmaster"),
    "reserved_connections": (None, "0", 16, "postmaster"),
    "shared_buffers": ("8kB", None, 12, "postmaster"),
    "statement_timeout": ("ms", "0", 12, "user"),
    "superuser_reserved_connections": (None, "3", 12, "postmaster"),
    "tcp_keepalives_count": (None, "0", 12, "user"),
    "tcp_keepalives_idle": ("s", "0", 12, "user"),
    "tcp_keepalives_interval": ("s", "0", 12, "user"),
    "transaction_timeout": ("ms", "0", 17, "user"),
    "unix_socket_directories": (None, None, 12, "postmaster"),
    "update_process_title": (None, "on", 12, "superuser"),
    "work_mem": ("kB", "4096", 12, "user"),
}
_TRUE, _FALSE = frozenset({"on", "true", "yes", "1"}), frozenset({"off", "false", "no", "0"})


class ServerFiles(Struct, frozen=True):
    """What was read of one server without a connection. ``changed_since_start`` are files that were written after it
    started; ``control`` the running values, empty where pg_controldata could not be asked."""

    major: int | None
    control: Mapping[str, str]
    conf: ConfFiles
    command_line: Mapping[str, str]
    changed_since_start: frozenset[str] = frozenset()


def settings_without_connection(files: ServerFiles) -> Settings:
    """The settings that can be told. A parameter is left out where no source tells it: a file could not be read and
    may hold it, or its default differs between versions."""
    found = [_version(files.major)] if files.major is not None else []
    found += [s for name in _PARAMETERS if (s := _setting(name, files)) is not None]
    read = ", ".join((CONTROL_DATA, *files.conf.files) if files.control else files.conf.files)
    return Settings(tuple(sorted(found, key=lambda s: s.name)), read or "command line of the server")


def _version(major: int) -> Setting:
    return Setting(
        "server_version_num", str(major * 10000), None, "PG_VERSION", context="internal", read_from="PG_VERSION"
    )


def _setting(name: str, files: ServerFiles) -> Setting | None:
    unit, default, since, context = _PARAMETERS[name]
    if files.major is not None and files.major < since:
        return None
    text, source, place = _at_next_start(name, files, default)
    value = _shown(text, unit)
    running = files.control.get(name)
    if running is not None:
        differs = value is not None and value != running and not files.conf.unread
        return Setting(
            name=name,
            value=running,
            unit=unit,
            source=source if value == running else "running server",
            pending_restart=differs and source != "command line",
            context=context,
            sourcefile=place if value == running else None,
            boot_value=default,
            next_start=value if differs else None,
            read_from=CONTROL_DATA,
        )
    if value is None:
        return None
    changed = place is not None and place.rpartition(":")[0] in files.changed_since_start
    note = " (changed after the server started)" if changed and context == "postmaster" else ""
    read_from = f"{place or source}{note}"
    return Setting(name, value, unit, source, False, context, place, default, read_from=read_from)


def _at_next_start(name: str, files: ServerFiles, default: str | None) -> tuple[str | None, str, str | None]:
    """Text, source as pg_settings names it, and place."""
    if name in files.command_line:
        return files.command_line[name], "command line", None
    written = files.conf.values.get(name)
    if written is not None:
        return written.value, "configuration file", written.place
    # A file that could not be read may set it: then the default is a guess, and a guess is no evidence.
    return (None if files.conf.unread or not files.conf.files else default), "default", None


def _shown(text: str | None, unit: str | None) -> str | None:
    """A value as pg_settings shows it: in the parameter's unit, booleans as on and off."""
    if text is None:
        return None
    if unit is not None:
        return in_unit(text, unit)
    lowered = text.strip().lower()
    if lowered in _TRUE - {"1"}:
        return "on"
    return "off" if lowered in _FALSE - {"0"} else text


def conf_paths(data_directory: str, command_line: Mapping[str, str]) -> tuple[str, str]:
    """The files that a server reads at its start: config_file (Debian keeps it in /etc), then postgresql.auto.conf."""
    main = command_line.get("config_file") or posixpath.join(data_directory, "postgresql.conf")
    return posixpath.join(data_directory, main), posixpath.join(data_directory, "postgresql.auto.conf")
