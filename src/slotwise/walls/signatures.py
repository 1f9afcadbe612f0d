"""The table of messages: words that tell which wall was hit, in the order in which they decide.

Sources: PostgreSQL 12-18 (postmaster.c, backend_startup.c, proc.c, postinit.c, miscinit.c, postgres.c, fd.c, auth.c,
lock.c), PgBouncer 1.18-1.26 (client.c, server.c, objects.c, janitor.c, sbuf.c), Odoo 17.0-19.0 (odoo/sql_db.py,
odoo/http.py, odoo/service/server.py, addons/bus), libpq (fe-connect.c, fe-misc.c), the Linux kernel (mm/oom_kill.c),
pgpool-II (child.c).

The order matters: a pooler relays the server's own words, so PostgreSQL's texts come before the pooler's; walls come
before look-alikes; a lost connection comes last because it only says that something else happened.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from slotwise.walls.kinds import Role, Wall

REFUSAL, PRECURSOR, CAUSE = Role.REFUSAL, Role.PRECURSOR, Role.CAUSE
LOOKALIKE, CONTEXT = Role.LOOKALIKE, Role.CONTEXT


class Signature(NamedTuple):
    """One row: ``needle`` must occur, ``pattern`` (if any) must match too; its group ``name`` is what it quotes."""

    kind: str
    wall: Wall
    role: Role
    needle: str
    pattern: re.Pattern[str] | None = None


def _row(kind: str, wall: Wall, role: Role, needle: str, pattern: str | None = None) -> Signature:
    return Signature(kind, wall, role, needle, re.compile(pattern) if pattern else None)


WALLS: tuple[Signature, ...] = (
    # Odoo's own pool: the opposite remedy of a full PostgreSQL, so it is looked for first.
    _row("gevent_retries", Wall.ODOO_POOL, REFUSAL, "Failed to acquire cursor after"),
    _row("gevent_retries", Wall.ODOO_POOL, REFUSAL, "generator didn't stop after throw"),
    _row("odoo_pool_full", Wall.ODOO_POOL, REFUSAL, "The Connection Pool Is Full"),
    _row("odoo_pool_full", Wall.ODOO_POOL, REFUSAL, "onnection", r"connections are in the pool|full connection pool"),
    _row(
        "odoo_pool_at_limit",
        Wall.ODOO_POOL,
        PRECURSOR,
        "ConnectionPool(",
        r"ConnectionPool\((?:[\w/-]+;)?used=(?P<name>[1-9]\d*)/count=\d+/max=(?P=name)\)",
    ),
    # PostgreSQL's words, whoever relays them.
    _row(
        "pg_role_limit",
        Wall.PG_ROLE_LIMIT,
        REFUSAL,
        "many connections for role",
        r'(?:too )?many connections for role "?(?P<name>[^"\n]+)',
    ),
    _row(
        "pg_database_limit",
        Wall.PG_DB_LIMIT,
        REFUSAL,
        "many connections for database",
        r'(?:too )?many connections for database "?(?P<name>[^"\n]+)',
    ),
    _row(
        "pg_slots_reserved_role",
        Wall.PG_RESERVED,
        REFUSAL,
        "remaining connection slots are reserved for roles with privileges",
    ),
    _row(
        "pg_slots_reserved_superuser",
        Wall.PG_RESERVED,
        REFUSAL,
        "remaining connection slots are reserved for roles with the",
    ),
    _row("pg_slots_reserved", Wall.PG_RESERVED, REFUSAL, "remaining connection slots are reserved"),
    _row("pgb_max_client_conn", Wall.PGB_MAX_CLIENT_CONN, REFUSAL, "no more connections allowed"),
    _row(
        "pgb_max_db_client_connections",
        Wall.PGB_MAX_CLIENT_CONN,
        REFUSAL,
        "client connections exceeded (max_db_client_connections)",
    ),
    _row(
        "pgb_max_user_client_connections",
        Wall.PGB_MAX_CLIENT_CONN,
        REFUSAL,
        "client connections exceeded (max_user_client_connections)",
    ),
    _row("supavisor_max_clients", Wall.PGB_MAX_CLIENT_CONN, REFUSAL, "Max client connections reached"),
    _row("supavisor_session_full", Wall.PGB_MAX_CLIENT_CONN, REFUSAL, "max clients reached"),
    _row("pgpool_full", Wall.PGB_MAX_CLIENT_CONN, REFUSAL, "Sorry, too many clients already"),
    _row("pg_slots_hard", Wall.PG_MAX_CONNECTIONS, REFUSAL, "sorry, too many clients already"),
    # The operating system.
    _row("fd_backend", Wall.FD_LIMIT, REFUSAL, "out of file descriptors"),
    _row("fd_postmaster", Wall.FD_LIMIT, REFUSAL, "could not accept new connection: Too many open files"),
    _row("fd_limit", Wall.FD_LIMIT, REFUSAL, "Too many open files"),
    _row("fd_limit", Wall.FD_LIMIT, REFUSAL, "No file descriptors available"),
    _row("pg_fork_failed", Wall.MEMORY, REFUSAL, "could not fork", r"could not fork [^:\n]*: (?P<name>[^\n]*)"),
    _row("pg_fork_failed_client", Wall.MEMORY, REFUSAL, "server sent an error response during SSL exchange"),
    _row("thread_limit", Wall.MEMORY, REFUSAL, "can't start new thread"),
    _row("oom_kill", Wall.MEMORY, CAUSE, "Killed process", r"Killed process (?P<name>\d+)"),
    _row("oom_kill", Wall.MEMORY, CAUSE, "invoked oom-killer"),
    _row("oom_kill", Wall.MEMORY, CAUSE, "Out of memory: Kill"),
    _row("oom_kill", Wall.MEMORY, CAUSE, "killed by the OOM killer"),
    _row("pids_limit", Wall.MEMORY, CAUSE, "fork rejected by pids controller"),
    _row("pg_killed", Wall.MEMORY, CAUSE, "was terminated by signal 9"),
    _row("pg_crash_bystander", Wall.MEMORY, CAUSE, "because of crash of another server process"),
    _row("pg_shared_memory", Wall.MEMORY, CAUSE, "could not map anonymous shared memory"),
    _row("pg_out_of_memory", Wall.MEMORY, CAUSE, "out of memory", r"(?m)(?:^|(?:ERROR|FATAL): +)out of memory\s*$"),
    _row("pg_out_of_memory", Wall.MEMORY, CAUSE, "Failed on request of size"),
    _row("no_memory", Wall.MEMORY, CAUSE, "Cannot allocate memory"),
    # The pooler's own words.
    _row("pgb_query_wait_timeout", Wall.PGB_QUERY_WAIT, REFUSAL, "query_wait_timeout"),
    _row("pgb_queued", Wall.PGB_QUERY_WAIT, PRECURSOR, "No server connection available in postgres backend"),
    _row("pgb_pool_full", Wall.PGB_QUERY_WAIT, PRECURSOR, "launch_new_connection: pool full"),
    _row("pgb_reserve_used", Wall.PGB_QUERY_WAIT, PRECURSOR, "taking connection from reserve_pool"),
    _row("rds_proxy_wait", Wall.PGB_QUERY_WAIT, REFUSAL, "imed-out waiting to acquire database connection"),
    _row(
        "pgb_login_failing",
        Wall.PGB_SERVER_LOGIN,
        REFUSAL,
        "server login has been failing",
        r"has been failing(?:, cached error: (?P<name>.+?) \(server_login_retry\))?",
    ),
    _row("pgb_login_failing", Wall.PGB_SERVER_LOGIN, REFUSAL, "pgbouncer cannot connect to server"),
    _row("pgb_server_down_cold", Wall.PGB_SERVER_LOGIN, REFUSAL, "client_login_timeout (server down)"),
    _row("pgb_connect_failed", Wall.PGB_SERVER_LOGIN, CAUSE, "closing because: connect failed"),
    _row("pgb_connect_timeout", Wall.PGB_SERVER_LOGIN, CAUSE, "closing because: connect timeout"),
)
"""The walls, most specific first."""

LAST_WALLS: tuple[Signature, ...] = (
    _row("pgb_server_login_failed", Wall.PGB_SERVER_LOGIN, CAUSE, "login failed: ", r"login failed: (?P<name>\S.*)"),
)
"""Decides only when the relayed reason is nothing that has a name of its own."""

_FDS = r"kernel file descriptor limit: (?P<soft>\d+).*?max expected fd use: (?P<need>\d+)"
FD_PLAN: re.Pattern[str] = re.compile(_FDS)
"""PgBouncer's line at start (main.c): a trouble to come when the expected number is above the limit."""

ROUTINES: dict[str, tuple[str, Wall]] = {
    "InitProcess": ("pg_slots_hard", Wall.PG_MAX_CONNECTIONS),
    "ProcessStartupPacket": ("pg_process_table", Wall.PG_PROCESS_TABLE),
    "BackendInitialize": ("pg_process_table", Wall.PG_PROCESS_TABLE),
    "InitPostgres": ("pg_slots_reserved", Wall.PG_RESERVED),
    "InitializeSessionUserId": ("pg_role_limit", Wall.PG_ROLE_LIMIT),
    "CheckMyDatabase": ("pg_database_limit", Wall.PG_DB_LIMIT),
}
"""For SQLSTATE 53300: the C function that refused (PostgreSQL 12-18), whatever the language of the message."""
