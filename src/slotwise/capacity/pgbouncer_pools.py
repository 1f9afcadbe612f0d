"""PgBouncer's pools as far as they bound what reaches PostgreSQL."""

from __future__ import annotations

import msgspec

DIRECT_CONNECTIONS = 3
"""Slots kept for sessions past PgBouncer: ``-u``, pg_dump, a DBA (transaction pooling breaks session settings)."""


class PgBouncerPools(msgspec.Struct, frozen=True, kw_only=True):
    """PgBouncer's pools as far as they bound server connections. 0 means no cap, as in pgbouncer.ini.

    ``postgres_pool_size`` is the session-mode pool of database ``postgres``.
    """

    default_pool_size: int = 20
    reserve_pool_size: int = 0
    max_db_connections: int = 0
    max_user_connections: int = 0
    postgres_pool_size: int = 20
    direct_connections: int = DIRECT_CONNECTIONS

    def transaction_connections(self, databases: int) -> int:
        """Most server connections of the transaction pools of one user (pgbouncer/src/janitor.c, objects.c).

        Per database a pool and its reserve, cut to max_db_connections; over all databases cut to what
        max_user_connections leaves beside the session pool of ``postgres``.
        """
        each = self.default_pool_size + self.reserve_pool_size
        if self.max_db_connections:
            each = min(each, self.max_db_connections)
        every = each * max(0, databases)
        if self.max_user_connections:
            every = min(every, max(0, self.max_user_connections - self.postgres_pool_size))
        return every
