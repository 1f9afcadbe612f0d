"""Supply: how many slots are left for Odoo's role, now and at the next start."""

from __future__ import annotations

import msgspec

from slotwise.capacity.deployment import PostgresServer

RESERVED_SINCE = 16
"""``reserved_connections`` and ``pg_use_reserved_connections`` exist from PostgreSQL 16 (postinit.c)."""


class Bound(msgspec.Struct, frozen=True):
    """One limit on connections: its name, its value in connections (None: unknown or without limit), its source."""

    name: str
    value: int | None
    source: str


class Supply(msgspec.Struct, frozen=True, kw_only=True):
    """Slots for Odoo's role. None is unknown: a max_connections that nobody could read is not a hundred.

    ``usable``: sessions of all kinds that may be open when Odoo's role is still let in, reserves taken off.
    ``usable_next``: the same at the next start. ``for_role``: what the role's own connection limit leaves of it.
    """

    max_connections: int | None
    reserved: int
    usable: int | None
    usable_next: int | None
    for_role: int | None
    bounds: tuple[Bound, ...]


def supply(server: PostgresServer) -> Supply:
    """The slots of ``server`` for Odoo's role.

    Without superuser rights a login is let in while, after taking its own slot, at least
    ``superuser_reserved_connections + reserved_connections`` slots stay free (src/backend/utils/init/postinit.c,
    InitPostgres, 12-18). The reserve is the last free slots, whoever took the others: sessions of superusers count as
    used. A superuser is held back by neither reserve nor limits; a member of ``pg_use_reserved_connections`` (16+) by
    the superusers' reserve alone.
    """
    reserved = _held_back(server, server.superuser_reserved_connections, server.reserved_connections)
    usable = None if server.max_connections is None else max(0, server.max_connections - reserved)
    return Supply(
        max_connections=server.max_connections,
        reserved=reserved,
        usable=usable,
        usable_next=_at_next_start(server),
        for_role=_within_role_limit(server, usable),
        bounds=_bounds(server, usable),
    )


def _held_back(server: PostgresServer, superuser_reserved: int, reserved: int) -> int:
    if server.role_is_superuser:
        return server.provider_reserved
    held = superuser_reserved + server.provider_reserved
    if not server.role_may_use_reserved and _has_reserved(server):
        held += reserved
    return held


def _has_reserved(server: PostgresServer) -> bool:
    """An unknown version counts the reserve when one was given: the careful side."""
    return server.major_version is None or server.major_version >= RESERVED_SINCE


def _at_next_start(server: PostgresServer) -> int | None:
    following = server.max_connections if server.max_connections_next is None else server.max_connections_next
    if following is None:
        return None
    superuser = server.superuser_reserved_connections_next
    reserved = server.reserved_connections_next
    held = _held_back(
        server,
        server.superuser_reserved_connections if superuser is None else superuser,
        server.reserved_connections if reserved is None else reserved,
    )
    return max(0, following - held)


def _within_role_limit(server: PostgresServer, usable: int | None) -> int | None:
    """A role's CONNECTION LIMIT of -1 is none, and superusers are exempt (src/backend/utils/init/miscinit.c)."""
    limit = server.role_connection_limit
    if limit is None or limit < 0 or server.role_is_superuser:
        return usable
    return limit if usable is None else min(usable, limit)


def _bounds(server: PostgresServer, usable: int | None) -> tuple[Bound, ...]:
    slots = "pg_settings max_connections"
    found = [Bound("max_connections", server.max_connections, slots)]
    if not server.role_is_superuser:
        found.append(
            Bound(
                "superuser_reserved_connections",
                server.superuser_reserved_connections,
                "pg_settings superuser_reserved_connections",
            )
        )
        if _has_reserved(server) and server.reserved_connections and not server.role_may_use_reserved:
            found.append(
                Bound("reserved_connections", server.reserved_connections, "pg_settings reserved_connections (16+)")
            )
    if server.managed is not None:
        found.append(Bound(f"managed {server.managed}", server.max_connections, server.managed_source or "given"))
    if server.provider_reserved:
        found.append(
            Bound("provider_reserved", server.provider_reserved, f"managed service {server.managed or ''}".strip())
        )
    found.append(Bound("usable_slots", usable, "max_connections less the reserves (postinit.c InitPostgres)"))
    if server.role_connection_limit is not None and server.role_connection_limit >= 0 and not server.role_is_superuser:
        found.append(Bound("role_connection_limit", server.role_connection_limit, "pg_roles.rolconnlimit"))
    if not server.role_is_superuser:
        found.extend(
            Bound(f"database_connection_limit {name}", limit, "pg_database.datconnlimit")
            for name, limit in sorted(server.database_connection_limits.items())
            if limit >= 0
        )
    return tuple(found)
