"""What a change stands on: the files and server facts that must be read at the moment of planning a change.

A Snapshot holds what diagnosis needs; this holds what writing needs in addition. None means *not readable*.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from slotwise.fixes.systemd import OdooUnit

Platform = Literal[
    "self-hosted",
    "rds",
    "aurora",
    "azure",
    "cloudsql",
    "patroni",
    "cloudnativepg",
    "compose",
    "kubernetes",
]

MANAGED: frozenset[Platform] = frozenset({"rds", "aurora", "azure", "cloudsql"})
"""Services whose parameters are set by their own interface, and which show nobody pg_authid."""


class Standby(Struct, frozen=True):
    """A physical standby that streams from this server (pg_stat_replication)."""

    name: str
    address: str | None


class PostgresGround(Struct, frozen=True, kw_only=True):
    """The server as slotwise may change it. ``relations`` are tables and indexes of the largest database that was
    counted; ``auto_conf`` the settings of postgresql.auto.conf; ``overrides`` pg_db_role_setting by role, database and
    name; ``secrets`` password verifiers by role, empty where pg_authid may not be read."""

    address: str
    version_num: int
    is_superuser: bool
    in_recovery: bool
    platform: Platform
    config_file: str | None = None
    config_text: str | None = None
    include_dir: str | None = None
    drop_in: bytes | None = None
    files_writable: bool = False
    alter_system: bool = True
    auto_conf: dict[str, str] = field(default_factory=dict)
    late_names: frozenset[str] = frozenset()
    """Names that postgresql.conf or a later file sets after the place where the drop-in is read: they would win."""
    standbys: tuple[Standby, ...] = ()
    primary_values: dict[str, str] = field(default_factory=dict)
    """On a standby: the primary's values, as the standby's control file keeps them."""
    relations: int | None = None
    relations_database: str | None = None
    strange_objects: dict[str, str | None] = field(default_factory=dict)
    """By role of Odoo: tables and views in Odoo's databases that belong to others, in words (an empty text: none). None
    where not every database could be looked at."""
    sessions: int | None = None
    """Client sessions open now."""
    huge_pages_bytes: int | None = None
    """Huge pages that this server finds when it is started again."""
    shared_memory_bytes: int | None = None
    secrets: dict[str, str] = field(default_factory=dict)
    functions: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"PostgresGround({self.address!r})"


class PgBouncerGround(Struct, frozen=True, kw_only=True):
    """A PgBouncer on this host, or the place where one is to be: its file and what is in it now."""

    address: str | None
    version: tuple[int, int] | None
    ini_path: str
    ini: bytes | None
    userlist_path: str
    userlist: bytes | None
    reloadable: bool

    def __repr__(self) -> str:
        return f"PgBouncerGround({self.ini_path!r})"


class Ground(Struct, frozen=True, kw_only=True):
    """All of it. ``odoo_files`` are the configuration files by path, None where one could not be read."""

    odoo_files: dict[str, bytes | None] = field(default_factory=dict)
    postgres: PostgresGround | None = None
    postgres_gap: str = "no connection to PostgreSQL that may change it: give --dsn"
    pgbouncer: PgBouncerGround | None = None
    memory_limit_bytes: int | None = None
    poolers_on_the_way: int = 0
    """How many PgBouncers Odoo's instances go through; ``pgbouncer`` is the first of them."""
    systemd_unit: bool = False
    """Whether PgBouncer runs as a service of systemd here."""
    pgbouncer_open_files: int | None = None
    drop_ins: dict[str, bytes | None] = field(default_factory=dict)
    odoo_units: dict[str, OdooUnit] = field(default_factory=dict)
    """The services that start Odoo here, by instance."""

    def __repr__(self) -> str:
        return "Ground()"
