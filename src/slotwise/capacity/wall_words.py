"""Every wall in plain words: what it is, what it means, how to get in now, what mends it, and what does not.

The walls' names are those of slotwise.walls. Texts and places: src/backend/utils/init/postinit.c and miscinit.c,
storage/lmgr/proc.c, postmaster/postmaster.c (12 to 18); odoo/sql_db.py (17.0 to 19.0); PgBouncer 1.18 to 1.26.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Relief = Literal["any", "role", "database", "none"]


class WallWords(Struct, frozen=True):
    """``name``: the wall. ``meaning``: what was refused and why. ``way_in``: how to get a session now. ``cure``: what
    mends it. ``never``: the remedy of another wall, which makes this one worse or changes nothing. ``relief``: among
    which sessions the one to end is chosen."""

    name: str
    meaning: str
    way_in: str
    cure: str
    never: str
    relief: Relief


_SOCKET = (
    "on the database host: sudo -u postgres psql -h {socket} -p {port} -d postgres (a superuser may use the reserve)"
)
_POOLER_CURE = "see the findings about PgBouncer"

WALLS: dict[str, WallWords] = {
    "pg_reserved": WallWords(
        "only reserved slots are left",
        "a role without special rights, as Odoo's should be, was refused because the last free slots are kept for"
        " superusers (and, since 16, for pg_use_reserved_connections)",
        _SOCKET,
        "find who holds the slots: the findings about leaks, fan-out, hoards and demand",
        "a larger db_maxconn only brings the wall nearer",
        "any",
    ),
    "pg_max_connections": WallWords(
        "every slot is taken",
        "all max_connections slots are taken, the superusers' reserve included: superusers' sessions fill it, Odoo"
        " itself logs in as a superuser, or many clients knock at once (an attempt holds a slot until it is refused)",
        "nobody gets in, not even a superuser: end one idle session from the operating system (kill -TERM, never -9)",
        "find who holds the slots: the findings about leaks, fan-out, hoards, demand and a superuser role",
        "a larger db_maxconn only brings the wall nearer",
        "any",
    ),
    "pg_process_table": WallWords(
        "the server's process table is full",
        "so many connections are being opened that have not logged in yet that PostgreSQL takes no more; the slots"
        " themselves may be free",
        "wait for authentication_timeout (60 s), or stop what opens them",
        "find the health check, port scan or TLS client that connects without logging in",
        "more slots do not help: these connections never become sessions",
        "none",
    ),
    "pg_role_limit": WallWords(
        "the role's CONNECTION LIMIT is reached",
        "this role may not open another session; other roles may, and max_connections is not the wall",
        "log in as another role",
        "raise the role's limit, or find why it needs so many: role-or-database-limit",
        "a larger max_connections changes nothing",
        "role",
    ),
    "pg_db_limit": WallWords(
        "the database's CONNECTION LIMIT is reached",
        "this database takes no further session; others do, and max_connections is not the wall",
        "connect to another database",
        "raise the database's limit, or find why it needs so many: role-or-database-limit",
        "a larger max_connections changes nothing",
        "database",
    ),
    "odoo_pool": WallWords(
        "an Odoo process has used up its own odoo_pool",
        "one process had db_maxconn connections in use at once (The Connection Pool Is Full); PostgreSQL itself refused"
        " nobody",
        "PostgreSQL is not full: log in as usual",
        "find a leak in that process first (leaking-process); a process without one needs a larger db_maxconn, the"
        " gevent process db_maxconn_gevent",
        "a larger max_connections changes nothing, and ending sessions frees no place in the pool of another process",
        "none",
    ),
    "pgb_max_client_conn": WallWords(
        "PgBouncer takes no more clients",
        "max_client_conn clients are connected to PgBouncer; PostgreSQL may be idle",
        "connect to PostgreSQL directly, past PgBouncer",
        "raise max_client_conn and the limit of open files with it; " + _POOLER_CURE,
        "a larger max_connections changes nothing",
        "none",
    ),
    "pgb_query_wait": WallWords(
        "a client waited too long for one of PgBouncer's server connections",
        "query_wait_timeout passed: the pool is too small, held by long transactions, or PgBouncer cannot log in to the"
        " server",
        "connect to PostgreSQL directly, past PgBouncer",
        "find what holds the pool's connections; " + _POOLER_CURE,
        "a longer query_wait_timeout only makes users wait longer",
        "none",
    ),
    "pgb_server_login": WallWords(
        "PgBouncer cannot log in to PostgreSQL",
        "the server refuses PgBouncer or does not answer; PgBouncer's log holds the server's own words",
        "connect to PostgreSQL directly and read its refusal",
        "mend what the server says; PgBouncer tries again after server_login_retry",
        "a larger pool changes nothing",
        "none",
    ),
    "fd_limit": WallWords(
        "a process has no file descriptors left",
        "its limit of open files is reached, so it cannot open another connection",
        "raise the limit of the running process: prlimit --pid PID --nofile=65536",
        "raise LimitNOFILE of its service",
        "a larger max_connections makes it worse",
        "none",
    ),
    "memory": WallWords(
        "the host refuses memory or processes",
        "the system could not start another process or give it memory",
        "end what takes the memory; see the kernel's log",
        "lower work_mem, the number of sessions at work or Odoo's limits; see memory-overcommit",
        "a larger max_connections makes it worse",
        "none",
    ),
}
