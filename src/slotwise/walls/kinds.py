"""The nouns: which wall a message names, and how a message was read.

A *wall* is a limit that refuses a connection. Messages that look like one but are something else (a deadlock, a
wrong password, a restart) are named too, so that nobody raises ``max_connections`` against a deadlock.
"""

from __future__ import annotations

from enum import Enum

import msgspec


class Wall(str, Enum):
    """The limits that refuse connections, and the two classes of messages that are no such limit."""

    PG_MAX_CONNECTIONS = "pg_max_connections"
    """Every slot of PostgreSQL is taken, the superuser's reserve included."""
    PG_PROCESS_TABLE = "pg_process_table"
    """PostgreSQL's table of child processes is full: a flood of sessions that never logged in."""
    PG_RESERVED = "pg_reserved"
    """Only slots reserved for privileged roles are left."""
    PG_ROLE_LIMIT = "pg_role_limit"
    """``ALTER ROLE ... CONNECTION LIMIT`` is reached."""
    PG_DB_LIMIT = "pg_db_limit"
    """``ALTER DATABASE ... CONNECTION LIMIT`` is reached."""
    ODOO_POOL = "odoo_pool"
    """One Odoo process has used up its own pool (``db_maxconn``); PostgreSQL may be idle."""
    PGB_MAX_CLIENT_CONN = "pgb_max_client_conn"
    """The pooler accepts no more clients."""
    PGB_QUERY_WAIT = "pgb_query_wait"
    """The pooler had no server connection to give within ``query_wait_timeout``."""
    PGB_SERVER_LOGIN = "pgb_server_login"
    """The pooler cannot log in to the server."""
    FD_LIMIT = "fd_limit"
    """A process has no file descriptors left."""
    MEMORY = "memory"
    """The host refuses memory, processes or threads."""
    NETWORK = "network"
    """A connection was lost or never made; which limit did it, if any, stands in another log."""
    OTHER = "other_not_connection"
    """A look-alike: it has nothing to do with a limit on connections."""

    @property
    def refuses(self) -> bool:
        """True for a limit on connections; False for lost connections and look-alikes."""
        return self not in (Wall.NETWORK, Wall.OTHER)


class Role(str, Enum):
    """What a message means for the story of an incident."""

    REFUSAL = "refusal"
    """A connection was refused, a client gave up, or the message relays that."""
    PRECURSOR = "precursor"
    """A limit is reached or nearly so; nobody was refused yet."""
    CAUSE = "cause"
    """Something happened that explains refusals: a crash, a restart, a leak."""
    LOOKALIKE = "lookalike"
    """A trouble of another kind, that must not be mistaken for a wall."""
    CONTEXT = "context"
    """Ordinary housekeeping that helps to tell the story."""


class Sighting(msgspec.Struct, frozen=True):
    """One message, read: the wall it names, and more exactly what it is."""

    wall: Wall
    kind: str
    """The exact class, for example ``pg_slots_reserved_role`` or ``deadlock`` (docs/logs.md lists them)."""
    role: Role
    start: int
    """Where in the text the telling words begin, in characters."""
    name: str | None = None
    """The role, database, role or number that the message quotes, where it quotes one."""
    language: str = "en"
    """Language of the message (PostgreSQL's catalogue name), ``en`` for untranslated text."""
