"""What a PostgreSQL server showed: sessions, settings, roles, databases, locks. Times are epoch seconds (float)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from slotwise.snapshot.evidence import MissingEvidence, Part, Unavailable

CLIENT_BACKEND = "client backend"


class Backend(Struct, frozen=True):
    """One server process, as pg_stat_activity or its process title shows it. None means *not visible*, never empty.

    ``client_port`` is -1 for a Unix-domain socket (pg_stat_activity, PostgreSQL 12 to 18). ``seen_in`` says where the
    row was read. A row that the role may not see in full (no pg_read_all_stats) is ``masked``: PostgreSQL then shows
    pid, database and user only, and backend_type is NULL even for a client backend.
    """

    pid: int
    backend_type: str | None
    database: str | None = None
    user: str | None = None
    application_name: str | None = None
    client_addr: str | None = None
    client_port: int | None = None
    backend_start: float | None = None
    xact_start: float | None = None
    query_start: float | None = None
    state_change: float | None = None
    wait_event_type: str | None = None
    wait_event: str | None = None
    state: str | None = None
    query: str | None = None
    leader_pid: int | None = None
    masked: bool = False
    seen_in: Literal["pg_stat_activity", "process title"] = "pg_stat_activity"


class Activity(Part, frozen=True):
    """All rows of pg_stat_activity at one moment. ``own_pid`` is slotwise's own backend, None in a recording.

    ``shift_seconds`` was added to every time of the server where its clock and this host's disagree: without it a time
    is the server's own again, which is what tells a session from a later one with the same pid.
    """

    backends: tuple[Backend, ...]
    own_pid: int | None
    source: str = "pg_stat_activity"
    shift_seconds: float = 0.0

    @property
    def masked(self) -> int:
        """How many rows the role was not allowed to see in full."""
        return sum(1 for b in self.backends if b.masked)


class Titles(Part, frozen=True):
    """The sessions of one server as their process titles show them: readable without a connection.

    ``states_current`` is False where update_process_title is off (the state then never changes), None where that is
    unknown.
    """

    backends: tuple[Backend, ...]
    states_current: bool | None
    source: str = "process titles"


class Server(Part, frozen=True):
    """Which server answered and as whom. ``address`` is ``host:port`` or a socket path as slotwise reached it.

    ``started_at`` is pg_postmaster_start_time() by the server's own clock (epoch seconds): it stays the same until the
    server is started anew. ``Activity.shift_seconds`` moves it to this host's clock.
    """

    version_num: int
    address: str
    user: str | None
    is_superuser: bool | None
    in_recovery: bool | None
    data_directory: str | None = None
    started_at: float | None = None
    reads_all_stats: bool | None = None

    @property
    def major(self) -> int:
        """Major version, 12 to 18 and later."""
        return self.version_num // 10000


class Setting(Struct, frozen=True):
    """One configuration parameter: ``value`` as pg_settings.setting shows it, in ``unit`` (``8kB``, ``ms``, None).

    ``next_start`` is the value that a restart would bring where that is known to differ or was read (conf files),
    else None.
    """

    name: str
    value: str
    unit: str | None
    source: str
    pending_restart: bool = False
    context: str | None = None
    sourcefile: str | None = None
    boot_value: str | None = None
    next_start: str | None = None
    read_from: str = "pg_settings"


class Settings(Part, frozen=True):
    """The settings that were read, from pg_settings or, without a connection, from pg_controldata and files."""

    settings: tuple[Setting, ...]
    source: str = "pg_settings"

    def find(self, name: str) -> Setting | None:
        """The setting, or None where it was not read (it may not exist in this version)."""
        return next((s for s in self.settings if s.name == name), None)

    def need(self, name: str) -> Setting:
        """The setting. Raises MissingEvidence where it was not read."""
        found = self.find(name)
        if found is None:
            remedy = "run doctor where it can connect, or as a role that may read all settings"
            raise MissingEvidence(Unavailable(f"setting {name}", f"not in {self.source}", remedy))
        return found

    def integer(self, name: str) -> int:
        """The setting as a whole number in its own unit. Raises MissingEvidence where it was not read or is no
        number."""
        setting = self.need(name)
        try:
            return int(setting.value)
        except ValueError as error:
            gap = Unavailable(f"setting {name}", f"{setting.value!r} is not a whole number", "check postgresql.conf")
            raise MissingEvidence(gap) from error


class Role(Struct, frozen=True):
    """One login role. ``connection_limit`` -1 means unlimited. ``reserved`` is membership in
    pg_use_reserved_connections (16+)."""

    name: str
    superuser: bool
    connection_limit: int
    can_login: bool
    reserved: bool | None = None


class Roles(Part, frozen=True):
    """The roles of the server."""

    roles: tuple[Role, ...]
    source: str = "pg_roles"

    def find(self, name: str) -> Role | None:
        """The role called ``name``, or None."""
        return next((r for r in self.roles if r.name == name), None)


class Database(Struct, frozen=True):
    """One database. ``connection_limit`` -1 means unlimited, -2 an invalid database (16+: interrupted DROP
    DATABASE)."""

    name: str
    connection_limit: int
    allows_connections: bool
    is_template: bool
    owner: str | None = None


class Databases(Part, frozen=True):
    """The databases of the server."""

    databases: tuple[Database, ...]
    source: str = "pg_database"


class Override(Struct, frozen=True):
    """One ``ALTER ROLE … [IN DATABASE …] SET`` or ``ALTER DATABASE … SET``. None means *any* role or database."""

    role: str | None
    database: str | None
    name: str
    value: str


class Overrides(Part, frozen=True):
    """Settings by role and database (pg_db_role_setting)."""

    overrides: tuple[Override, ...]
    source: str = "pg_db_role_setting"


class Blocked(Struct, frozen=True):
    """A session that waits for a heavyweight lock. 0 in ``blockers`` is a prepared transaction."""

    pid: int
    blockers: tuple[int, ...]


class Locks(Part, frozen=True):
    """Who waits for whom. Asked only about sessions whose wait_event_type is Lock (pg_blocking_pids is not free)."""

    blocked: tuple[Blocked, ...]
    source: str = "pg_blocking_pids()"
