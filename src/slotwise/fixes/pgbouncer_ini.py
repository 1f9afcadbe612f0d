"""pgbouncer.ini that keeps Odoo alive: transaction pooling for its databases, session pooling for ``postgres``.

Only keys that the installed version knows: an unknown one keeps PgBouncer from starting (main.c and config.md, 1.18 to
1.26).
"""

from __future__ import annotations

from msgspec import Struct

from slotwise.capacity.pgbouncer_pools import DIRECT_CONNECTIONS
from slotwise.capacity.pooling import PoolSizing
from slotwise.fixes.connection_words import parse_words, written
from slotwise.fixes.ini_text import get_value, keys, set_value

Version = tuple[int, int]

OLDEST: Version = (1, 18)
"""Taken where the version is not known: its keys are known to every later one."""

FD_SPARE = 100
MAINTENANCE = "postgres"
DIRECT_SUFFIX = "_direct"
MOST_DIRECT_ENTRIES = 5

_SIZING_WORDS = frozenset({"pool_mode", "pool_size", "reserve_pool", "reserve_pool_size", "max_db_connections"})
"""Words of an entry that override the sizes of [pgbouncer] (config.md; reserve_pool_size is 1.24's name)."""

_SINCE: dict[str, Version] = {"transaction_timeout": (1, 25)}
"""Keys of this file that 1.18 does not know, with the release that brought them (NEWS.md)."""


class Backend(Struct, frozen=True):
    """The PostgreSQL behind the pooler: host (an address or a socket directory) and port."""

    host: str
    port: int


class Listening(Struct, frozen=True, kw_only=True):
    """What a new pgbouncer.ini needs besides the pools. ``auth_type`` is scram-sha-256, md5 or trust."""

    address: str = "127.0.0.1"
    port: int = 6432
    socket_directory: str = "/var/run/postgresql"
    auth_type: str = "scram-sha-256"
    auth_file: str = "/etc/pgbouncer/userlist.txt"
    auth_query: dict[str, str] = {}
    admin_users: str = "postgres"
    log_file: str = "/var/log/postgresql/pgbouncer.log"
    pid_file: str = "/var/run/postgresql/pgbouncer.pid"


def pool_settings(sizing: PoolSizing, version: Version, users: int, direct_databases: int = 0) -> dict[str, str]:
    """The keys of [pgbouncer] that decide about connections, for ``users`` roles that go through it.

    ``max_user_connections`` holds for one role over all databases, so it is divided by the number of roles: their sum
    is what PostgreSQL has slots for, whatever databases and roles come.
    """
    pools = sizing.pools
    direct = min(direct_databases * 2, DIRECT_CONNECTIONS)
    wanted = {
        "pool_mode": "transaction",
        "max_client_conn": str(sizing.max_client_conn),
        "default_pool_size": str(pools.default_pool_size),
        "min_pool_size": "0",
        "reserve_pool_size": str(pools.reserve_pool_size),
        "reserve_pool_timeout": f"{sizing.reserve_pool_timeout_seconds:g}",
        "max_db_connections": str(pools.max_db_connections),
        "max_user_connections": str(max(1, (pools.max_user_connections + direct) // max(1, users))),
        "server_reset_query": "DISCARD ALL",
        "server_reset_query_always": "1",
        "server_idle_timeout": str(sizing.server_idle_timeout_seconds),
        "server_lifetime": str(sizing.server_lifetime_seconds),
        "server_login_retry": "3",
        "query_wait_timeout": str(sizing.query_wait_timeout_seconds),
        "client_idle_timeout": "0",
        "idle_transaction_timeout": "0",
        "query_timeout": "0",
        "transaction_timeout": "0",
    }
    return {name: value for name, value in wanted.items() if version >= _SINCE.get(name, OLDEST)}


WHY = {
    "pool_mode": "Odoo keeps nothing in a session of an application database between transactions",
    "max_client_conn": "all connections that Odoo's processes may open, a fifth more, and 20",
    "default_pool_size": "server connections of one database and role: short waits, and no deadlock of nested cursors",
    "reserve_pool_size": "for bursts",
    "max_db_connections": "one database, whatever roles come",
    "max_user_connections": "the cap that holds for any number of databases: a wildcard makes a pool for each",
    "server_reset_query_always": "a SET or an advisory lock that an addon leaves behind never reaches another client",
    "server_idle_timeout": "idle server connections go back to the others",
    "server_lifetime": "bounds the memory that a server connection collects",
    "server_login_retry": "after a restart of PostgreSQL clients come back at once",
    "query_wait_timeout": "fail before Odoo's limit_time_real instead of hanging",
    "client_idle_timeout": "a session that LISTENs is idle for ever",
    "idle_transaction_timeout": "the lock of a running scheduled action is idle in transaction by design",
    "query_timeout": "reports and updates may take long; Odoo has its own limits",
}


def postgres_entry(base: dict[str, str], sizing: PoolSizing) -> dict[str, str]:
    """The entry of database ``postgres``: a session for every LISTEN and every notification, and no more."""
    size = str(sizing.pools.postgres_pool_size)
    words = {k: v for k, v in base.items() if k not in _SIZING_WORDS}
    words["dbname"] = MAINTENANCE
    return {**words, "pool_mode": "session", "pool_size": size, "reserve_pool": "0", "max_db_connections": size}


def new_ini(
    backend: Backend,
    sizing: PoolSizing,
    version: Version,
    users: tuple[str, ...],
    listening: Listening,
    databases: tuple[str, ...] = (),
) -> str:
    """A whole file. ``databases`` are those that get an entry past the transaction pool, for dumps and queue_job.

    Odoo's ``users`` may read PgBouncer's figures, so that ``slotwise verify`` sees the pool's size on Odoo's own way.
    """
    base = {"host": backend.host, "port": str(backend.port)}
    maintenance = postgres_entry(base, sizing)
    if listening.auth_query:
        # The lookup of passwords takes a connection of this database, beside all that listen.
        maintenance["max_db_connections"] = str(sizing.pools.postgres_pool_size + 1)
    lines = [
        "; Written by `slotwise fix` for PgBouncer "
        f"{version[0]}.{version[1]} and newer. `slotwise fix --rollback` brings the former file back.",
        "[databases]",
        "; LISTEN, NOTIFY, list, create and drop of databases: a session of their own (cron triggers, bus)",
        f"{MAINTENANCE} = {written(maintenance)}",
    ]
    direct = databases[:MOST_DIRECT_ENTRIES]
    if direct:
        lines.append("; pg_dump, queue_job (jobrunner_db_name) and reports: session mode. -u, -i and shells: go to")
        lines.append(
            f"; PostgreSQL itself (--db_host {backend.host} --db_port {backend.port}); slots are kept for them"
        )
    lines += [f"{_entry_name(name + DIRECT_SUFFIX)} = {written(_direct_words(base, name))}" for name in direct]
    lines.append("; every other database; application_name keeps sessions readable after DISCARD ALL")
    lines.append(f"* = {written({**base, 'application_name': 'odoo'})}")
    lines += ["", "[pgbouncer]"]
    head = {
        "listen_addr": listening.address,
        "listen_port": str(listening.port),
        "unix_socket_dir": listening.socket_directory,
        "auth_type": listening.auth_type,
        "auth_file": listening.auth_file,
        **listening.auth_query,
        "admin_users": listening.admin_users,
        "stats_users": ", ".join((listening.admin_users, *filter(_listable, users))),
        "logfile": listening.log_file,
        "pidfile": listening.pid_file,
        "ignore_startup_parameters": "extra_float_digits",
    }
    lines += [f"{name} = {value}" for name, value in head.items()]
    for name, value in pool_settings(sizing, version, len(users), len(direct)).items():
        if name in WHY:
            lines.append(f"; {WHY[name]}")
        lines.append(f"{name} = {value}")
    return "\n".join(lines) + "\n"


def merged_ini(text: str, sizing: PoolSizing, version: Version, users: int) -> str:
    """An existing file with the pools as they should be; its ways, users, logs and comments stay as they are.

    So does an entry that leads to a database under another name: it is a side way that somebody made on purpose, for
    instance in session mode for queue_job.
    """
    settings = pool_settings(sizing, version, users)
    now = get_value(text, "pgbouncer", "max_client_conn", "pgbouncer")
    if now is not None and now.isdigit() and int(now) > int(settings["max_client_conn"]):
        del settings["max_client_conn"]
    for name, value in settings.items():
        text = set_value(text, "pgbouncer", name, value, "pgbouncer")
    entries = {
        name: get_value(text, "databases", name, "pgbouncer") or "" for name in keys(text, "databases", "pgbouncer")
    }
    for name, entry in entries.items():
        words = parse_words(entry)
        if name == MAINTENANCE or words.get("dbname", name) != name:
            continue
        changed = {k: v for k, v in words.items() if k not in _SIZING_WORDS}
        changed.setdefault("application_name", "odoo")
        if changed != words:
            text = set_value(text, "databases", name, written(changed), "pgbouncer")
    base = parse_words(entries.get(MAINTENANCE, entries.get("*", next(iter(entries.values()), ""))))
    if not entries.get(MAINTENANCE):
        base.pop("application_name", None)
    wanted = postgres_entry(base, sizing)
    if wanted != parse_words(entries.get(MAINTENANCE, "")):
        text = set_value(text, "databases", MAINTENANCE, written(wanted), "pgbouncer")
    return text


def expected(text: str, names: tuple[str, ...]) -> dict[str, str]:
    """What SHOW CONFIG must say after the file was read."""
    found = {name: get_value(text, "pgbouncer", name, "pgbouncer") for name in names}
    return {name: value for name, value in found.items() if value is not None}


def open_files_needed(sizing: PoolSizing) -> int:
    """File descriptors: one for each client and server connection, and some for logs and the console."""
    return sizing.max_client_conn + sizing.pools.max_user_connections + DIRECT_CONNECTIONS + FD_SPARE


def _direct_words(base: dict[str, str], name: str) -> dict[str, str]:
    return {**base, "dbname": name, "pool_mode": "session", "pool_size": "2", "reserve_pool": "0"}


def _listable(user: str) -> bool:
    """Whether a name can stand in a list: PgBouncer splits at commas and spaces and knows no quotes there
    (strlist_contains in libusual)."""
    return bool(user) and not any(sign in user for sign in ", \t\n")


def _entry_name(name: str) -> str:
    """A name as it may stand before ``=``: quoted where it holds more than letters, digits, ``_``, ``.`` and ``-``."""
    if name.replace("_", "").replace("-", "").replace(".", "").isalnum():
        return name
    return '"' + name.replace('"', '""') + '"'
