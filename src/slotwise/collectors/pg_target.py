"""Where to connect, as whom, and with whose credentials. Holds passwords: it never enters a Snapshot or a message."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

LIBPQ_VARIABLES = (
    "PGHOST",
    "PGHOSTADDR",
    "PGPORT",
    "PGDATABASE",
    "PGUSER",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGOPTIONS",
)
"""The environment variables that decide where libpq connects (libpq-envars of the PostgreSQL documentation)."""


class OsUser(Struct, frozen=True):
    """A user of the operating system, whose identity PostgreSQL's peer authentication checks."""

    name: str
    uid: int
    gid: int
    home: str


class Target(Struct, frozen=True):
    """One way to a server: a connection string of the operator's, or the parameters that an Odoo instance uses.

    ``parameters`` are libpq keywords and win over ``dsn``. ``environment`` replaces the libpq variables of this process
    where it is not None. ``run_as`` is the OS user to connect as (only root can). ``named`` says where the parameters
    were read, for people.
    """

    named: str
    dsn: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] | None = None
    run_as: OsUser | None = None
    fallback_databases: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Target({self.named!r})"
