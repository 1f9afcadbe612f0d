"""How many server connections a running PgBouncer may open, as its console shows its settings.

A pool is a pair of database entry and user. Each may have ``pool_size`` + ``reserve_pool`` servers; an entry is cut to
``max_db_connections`` and a user to ``max_user_connections`` (https://www.pgbouncer.org/config.html; objects.c and
janitor.c of 1.18 to 1.26). A wildcard makes an entry for every name that a client asks for, so without a cap the pools
multiply by databases and users. All limits are per process.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from slotwise.snapshot.pgbouncer import PgBouncer, PoolDatabase
from slotwise.snapshot.session_kinds import MAINTENANCE_DATABASE

CONSOLE = "pgbouncer"
"""The name of the admin console's own database and, with a forced user, of its pool."""

UNKNOWN_ROLE = "Odoo's role"
"""Stands for the one user that there must be where neither odoo.conf nor a pool names it."""

DEFAULTS = {"default_pool_size": 20, "reserve_pool_size": 0, "max_db_connections": 0, "max_user_connections": 0}
"""PgBouncer's own defaults, 1.18 to 1.26 (src/main.c), for a console that does not show the key."""

DEFAULT_MAX_CLIENT_CONN = 100
"""https://www.pgbouncer.org/config.html: ``max_client_conn`` defaults to 100."""


class PoolBound(Struct, frozen=True):
    """Most server connections of one PgBouncer. ``databases`` × ``users`` pools were counted; ``uncapped`` is their sum
    before ``max_db_connections`` and ``max_user_connections``."""

    total: int
    uncapped: int
    databases: tuple[str, ...]
    users: tuple[str, ...]


def seconds(pgbouncer: PgBouncer, key: str, default: float) -> float:
    """A duration of SHOW CONFIG in seconds, or ``default`` where the console does not show a number."""
    try:
        return float(pgbouncer.config.get(key, ""))
    except ValueError:
        return default


def number(pgbouncer: PgBouncer, key: str) -> int:
    """A whole number of SHOW CONFIG, or PgBouncer's default."""
    text = pgbouncer.config.get(key, "")
    if text.isdigit():
        return int(text)
    return DEFAULT_MAX_CLIENT_CONN if key == "max_client_conn" else DEFAULTS[key]


def bounds_of(
    pgbouncer: PgBouncer, in_use: Iterable[str], every: Iterable[str], users: Iterable[str]
) -> tuple[PoolBound, PoolBound]:
    """The bound for the pools that exist and ``in_use``, and the one for all that may come: every entry and ``every``.

    ``users`` are Odoo's roles; whoever else has a pool is counted too.
    """
    logins = tuple(sorted({*users, *(p.user for p in pgbouncer.pools if p.database != CONSOLE)})) or (UNKNOWN_ROLE,)
    now = {MAINTENANCE_DATABASE, *in_use, *(p.database for p in pgbouncer.pools)}
    later = {*now, *every, *(d.name for d in pgbouncer.databases)}
    return _bound(pgbouncer, now, logins), _bound(pgbouncer, later, logins)


def entry_of(pgbouncer: PgBouncer, database: str) -> PoolDatabase | None:
    """The entry of SHOW DATABASES for ``database``; one that the wildcard made is listed there as well."""
    return next((d for d in pgbouncer.databases if d.name == database), None)


def pool_size(pgbouncer: PgBouncer, database: str) -> int:
    """Servers of one pool of ``database``, its reserve included."""
    entry = entry_of(pgbouncer, database)
    size = number(pgbouncer, "default_pool_size")
    reserve = number(pgbouncer, "reserve_pool_size")
    if entry is not None:
        size = entry.pool_size if entry.pool_size is not None else size
        reserve = entry.reserve_pool_size if entry.reserve_pool_size is not None else reserve
    return size + reserve if size > 0 else number(pgbouncer, "max_client_conn")


def database_cap(pgbouncer: PgBouncer, database: str) -> int | None:
    """``max_db_connections`` of ``database``; None without a cap."""
    entry = entry_of(pgbouncer, database)
    return (entry.max_connections if entry is not None else None) or number(pgbouncer, "max_db_connections") or None


def _bound(pgbouncer: PgBouncer, names: set[str], users: tuple[str, ...]) -> PoolBound:
    databases = tuple(sorted(n for n in names if n != CONSOLE and _leads_to_the_server(pgbouncer, n)))
    per_user = number(pgbouncer, "max_user_connections")
    sizes = {d: pool_size(pgbouncer, d) for d in databases}
    capped = {d: min(size, database_cap(pgbouncer, d) or size) for d, size in sizes.items()}
    of_one_user = sum(capped.values())
    by_user = len(users) * (min(of_one_user, per_user) if per_user else of_one_user)
    by_database = sum(
        min(size * len(users), database_cap(pgbouncer, d) or size * len(users)) for d, size in sizes.items()
    )
    return PoolBound(min(by_user, by_database), sum(sizes.values()) * len(users), databases, users)


def _leads_to_the_server(pgbouncer: PgBouncer, database: str) -> bool:
    """Whether an entry can be reached and leads to the server that ``postgres`` is on, as far as the console shows."""
    entry, home = entry_of(pgbouncer, database), entry_of(pgbouncer, MAINTENANCE_DATABASE)
    if entry is None:
        return pgbouncer.wildcard is not False
    if home is None or entry.host is None or home.host is None:
        return True
    return (entry.host, entry.port) == (home.host, home.port)


def mode_of(pgbouncer: PgBouncer, database: str, user: str | None = None) -> str | None:
    """The pool mode that Odoo gets for ``database``: of its running pool if it has one (a user's own mode wins there),
    else of the entry, the wildcard or the whole PgBouncer. None where none of them shows."""
    pools = [p for p in pgbouncer.pools if p.database == database and p.pool_mode and user in (None, p.user)]
    return pools[0].pool_mode if pools else pgbouncer.pool_mode_of(database)
