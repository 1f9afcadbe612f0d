"""Turns the rows of PgBouncer's admin console into a PgBouncer: by column name, whatever the version (1.18 to 1.26).

Columns were read in src/admin.c of pgbouncer_1_18_0 to 1_25_2: a column that a version lacks becomes None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.pgbouncer import PgBouncer, Pool, PoolClient, PoolDatabase, PoolServer
from slotwise.snapshot.redaction import redact_text

Row = Mapping[str, object]
Rows = Sequence[Row]

ESSENTIAL = ("CONFIG", "DATABASES", "POOLS", "CLIENTS", "SERVERS", "LISTS")
"""Without these a PgBouncer cannot be judged: a missing one is a gap, never an empty list."""
ADMIN_DATABASE = "pgbouncer"
"""The console itself: not a pool that leads to a server."""
_MICROSECONDS = 1_000_000


def pgbouncer_of_rows(
    shows: Mapping[str, Rows | None],
    *,
    address: str | None = None,
    pid: int | None = None,
    config_file: str | None = None,
    process_limit_nofile: int | None = None,
    wildcard: bool | None = None,
    wildcard_pool_mode: str | None = None,
) -> PgBouncer | Unavailable:
    """The PgBouncer whose console gave ``shows``: rows by SHOW command (``POOLS``), each a mapping by column name.

    Unavailable where one of ESSENTIAL is missing. The console's own database is left out of databases and pools.
    """
    missing = [name for name in ESSENTIAL if shows.get(name) is None]
    if missing:
        remedy = "connect as a user in admin_users or stats_users of pgbouncer.ini"
        return Unavailable("PgBouncer admin console", f"no answer to SHOW {', SHOW '.join(missing)}", remedy)
    config = {_text(r, "key") or "": redact_text(_text(r, "value") or "") for r in _rows(shows, "CONFIG")}
    databases = tuple(_database(r) for r in _rows(shows, "DATABASES") if _text(r, "name") != ADMIN_DATABASE)
    stars = [d for d in databases if d.name == "*"]
    statistics = [r for r in _rows(shows, "STATS") if _text(r, "database") != ADMIN_DATABASE]
    return PgBouncer(
        address=address or _address(config),
        version=_version(_rows(shows, "VERSION")),
        config=config,
        databases=tuple(d for d in databases if d.name != "*"),
        pools=tuple(_pool(r) for r in _rows(shows, "POOLS") if _text(r, "database") != ADMIN_DATABASE),
        clients=tuple(_client(r) for r in _rows(shows, "CLIENTS")),
        servers=tuple(_server(r) for r in _rows(shows, "SERVERS")),
        lists={_text(r, "list") or "": _integer(r, "items") or 0 for r in _rows(shows, "LISTS")},
        pid=pid,
        wildcard=True if stars else wildcard,
        wildcard_pool_mode=stars[0].pool_mode if stars else wildcard_pool_mode,
        config_file=config_file or config.get("conffile") or None,
        total_xact_count=_total(statistics, "total_xact_count"),
        total_xact_time_seconds=_seconds(_total(statistics, "total_xact_time")),
        total_wait_time_seconds=_seconds(_total(statistics, "total_wait_time")),
        process_limit_nofile=process_limit_nofile,
    )


def _rows(shows: Mapping[str, Rows | None], name: str) -> Rows:
    return shows.get(name) or ()


def _version(rows: Rows) -> str | None:
    """`PgBouncer 1.18.0` -> `1.18.0`; SHOW VERSION is a result since 1.12, a NOTICE before."""
    found = re.search(r"\d+(?:\.\d+)+", _text(rows[0], "version") or "") if rows else None
    return found.group() if found else None


def _address(config: Mapping[str, str]) -> str:
    host = (config.get("listen_addr") or "").split(",")[0].strip()
    shown = {"": config.get("unix_socket_dir") or "localhost", "*": "127.0.0.1", "0.0.0.0": "127.0.0.1"}.get(host, host)
    return f"{shown}:{config.get('listen_port') or '6432'}"


def _database(row: Row) -> PoolDatabase:
    reserve = _integer(row, "reserve_pool_size")
    return PoolDatabase(
        name=_text(row, "name") or "",
        host=_text(row, "host"),
        port=_integer(row, "port"),
        database=_text(row, "database"),
        force_user=_text(row, "force_user"),
        pool_size=_integer(row, "pool_size"),
        reserve_pool_size=reserve if reserve is not None else _integer(row, "reserve_pool"),
        pool_mode=_text(row, "pool_mode"),
        max_connections=_integer(row, "max_connections"),
        current_connections=_integer(row, "current_connections"),
    )


def _pool(row: Row) -> Pool:
    def count(column: str) -> int:
        return _integer(row, column) or 0

    return Pool(
        database=_text(row, "database") or "",
        user=_text(row, "user") or "",
        pool_mode=_text(row, "pool_mode"),
        cl_active=count("cl_active"),
        cl_waiting=count("cl_waiting"),
        sv_active=count("sv_active"),
        sv_idle=count("sv_idle"),
        sv_used=count("sv_used"),
        sv_tested=count("sv_tested"),
        sv_login=count("sv_login"),
        maxwait_seconds=count("maxwait") + count("maxwait_us") / _MICROSECONDS,
    )


def _client(row: Row) -> PoolClient:
    return PoolClient(
        database=_text(row, "database") or "",
        user=_text(row, "user") or "",
        state=_text(row, "state") or "",
        addr=_text(row, "addr"),
        port=_integer(row, "port"),
        local_addr=_text(row, "local_addr"),
        local_port=_integer(row, "local_port"),
        ptr=_text(row, "ptr") or "",
        link=_text(row, "link") or "",
        application_name=_text(row, "application_name", empty_is_none=False),
    )


def _server(row: Row) -> PoolServer:
    return PoolServer(
        database=_text(row, "database") or "",
        user=_text(row, "user") or "",
        state=_text(row, "state") or "",
        remote_pid=_integer(row, "remote_pid") or None,
        ptr=_text(row, "ptr") or "",
        link=_text(row, "link") or "",
        addr=_text(row, "addr"),
        port=_integer(row, "port"),
        local_port=_integer(row, "local_port"),
        application_name=_text(row, "application_name", empty_is_none=False),
    )


def _text(row: Row, column: str, *, empty_is_none: bool = True) -> str | None:
    value = row.get(column)
    if value is None or (empty_is_none and value == ""):
        return None
    return str(value)


def _integer(row: Row, column: str) -> int | None:
    value = row.get(column)
    try:
        return int(value) if isinstance(value, (int, str)) else None
    except ValueError:
        return None


def _total(rows: Rows, column: str) -> int | None:
    values = [n for n in (_integer(r, column) for r in rows) if n is not None]
    return sum(values) if values else None


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / _MICROSECONDS
