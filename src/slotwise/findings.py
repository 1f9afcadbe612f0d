"""The verdicts: what a rule says about a Snapshot, with the values it rests on and the change that would mend it."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

from msgspec import Struct

from slotwise.snapshot.evidence import Unavailable


class Severity(IntEnum):
    """How soon somebody must act. CRITICAL: refusing connections now or at the next peak; WARNING: will, if things
    go on; INFO: waste."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """The lower-case word that every output uses."""
        return self.name.lower()


class Evidence(Struct, frozen=True):
    """One value that a finding rests on, copied with the place where it was read."""

    name: str
    value: str | int | float | bool | None
    source: str


class SetOdooOption(Struct, frozen=True, tag_field="change", tag="set-odoo-option"):
    """Write ``option = value`` into odoo.conf of ``instance`` (takes effect when Odoo restarts). None removes the
    key."""

    instance: str
    option: str
    value: str | None


class SetServerSetting(Struct, frozen=True, tag_field="change", tag="set-server-setting"):
    """Set a PostgreSQL parameter server-wide. ``restart`` says whether only a restart brings it (context
    postmaster)."""

    name: str
    value: str
    restart: bool


class RestartServer(Struct, frozen=True, tag_field="change", tag="restart-server"):
    """Restart PostgreSQL so that a pending value comes into force. Ends every session."""

    reason: str


class AlterRole(Struct, frozen=True, tag_field="change", tag="alter-role"):
    """Change a role: ``connection_limit`` and ``superuser`` where not None; ``set_name``/``set_value`` for ALTER
    ROLE … [IN DATABASE] SET.

    ``set_value`` None with a ``set_name`` means RESET.
    """

    role: str
    connection_limit: int | None = None
    superuser: bool | None = None
    set_name: str | None = None
    set_value: str | None = None
    database: str | None = None


class AlterDatabase(Struct, frozen=True, tag_field="change", tag="alter-database"):
    """Change a database's CONNECTION LIMIT, or RESET/SET one of its settings (ALTER DATABASE … SET)."""

    database: str
    connection_limit: int | None = None
    set_name: str | None = None
    set_value: str | None = None


class SetPgBouncer(Struct, frozen=True, tag_field="change", tag="set-pgbouncer"):
    """Set a key in the [pgbouncer] section of the PgBouncer at ``address``."""

    address: str
    key: str
    value: str


class SetPoolDatabase(Struct, frozen=True, tag_field="change", tag="set-pool-database"):
    """Add or change an entry of PgBouncer's [databases] section: ``parameters`` are merged into the entry's own."""

    address: str
    entry: str
    parameters: dict[str, str]


class EndSession(Struct, frozen=True, tag_field="change", tag="end-session"):
    """End one session, only if pid and backend_start still match (epoch seconds). Cancel is tried before terminate."""

    pid: int
    backend_start: float | None
    reason: str


class RestartProcess(Struct, frozen=True, tag_field="change", tag="restart-process"):
    """Restart an Odoo process (a worker is replaced by its master) or a whole instance; ends the sessions it holds."""

    pid: int | None
    instance: str | None
    reason: str


class Manual(Struct, frozen=True, tag_field="change", tag="manual"):
    """A step that only a person can take, in words."""

    text: str


Change = (
    SetOdooOption
    | SetServerSetting
    | RestartServer
    | AlterRole
    | AlterDatabase
    | SetPgBouncer
    | SetPoolDatabase
    | EndSession
    | RestartProcess
    | Manual
)


class Fix(Struct, frozen=True):
    """What to do about a finding: one sentence, the steps in order, and what could go wrong (None: nothing known)."""

    summary: str
    changes: tuple[Change, ...] = ()
    risk: str | None = None


class Finding(Struct, frozen=True):
    """One problem that one rule saw. ``subject`` names what it is about (``http_worker 4121``, ``database prod``),
    None: the whole server.

    ``severity`` overrides the rule's own for this finding (a rule may speak more softly where it is less sure).
    """

    message: str
    evidence: tuple[Evidence, ...]
    fix: Fix | None = None
    subject: str | None = None
    severity: Severity | None = None


VerdictState = Literal["found", "healthy", "unknown"]


class Verdict(Struct, frozen=True):
    """What one rule says. *healthy* only when everything that the rule needs was there and nothing was wrong.

    With ``missing`` evidence a verdict may still be *found*: what is known is wrong already.
    """

    id: str
    slug: str
    severity: Severity
    state: VerdictState
    findings: tuple[Finding, ...] = ()
    missing: tuple[Unavailable, ...] = ()
