"""The remedies as values: steps that can be done and undone, grouped by what they change, and what was refused."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Activation = Literal["now", "reload", "login", "restart"]
"""When a change is in force: at once, after a reload, at a session's next login, or only after a restart."""


class WriteFile(Struct, frozen=True, tag_field="step", tag="write-file"):
    """Replace a file's content. ``before`` None: there is no file yet; ``after`` None: remove it.

    ``mode`` and ``like`` are for a new file only: its permissions, and the path whose owner and group it gets.
    ``secret`` content is never shown.
    """

    path: str
    before: bytes | None
    after: bytes | None
    mode: int = 0o644
    like: str | None = None
    secret: bool = False

    def __repr__(self) -> str:
        return f"WriteFile({self.path!r})"


class RunSql(Struct, frozen=True, tag_field="step", tag="run-sql"):
    """One statement with its exact opposite. ``probe`` returns the present state as text; ``before`` and ``after`` are
    its answers before and after ``do``, so that neither is done twice nor over somebody else's change."""

    do: str
    undo: str
    probe: str
    before: str | None
    after: str | None
    secret: bool = False


class ReloadPostgres(Struct, frozen=True, tag_field="step", tag="reload-postgres"):
    """``pg_reload_conf()``, then the values are read back. ``expect`` holds name and value as written in the files."""

    expect: dict[str, str] = {}


class ReloadPgBouncer(Struct, frozen=True, tag_field="step", tag="reload-pgbouncer"):
    """RELOAD on the admin console at ``address``, then SHOW CONFIG must show ``expect`` and SHOW DATABASES the pool
    modes of ``pool_modes``."""

    address: str
    expect: dict[str, str] = {}
    pool_modes: dict[str, str] = {}


Step = WriteFile | RunSql | ReloadPostgres | ReloadPgBouncer


class Remedy(Struct, frozen=True, kw_only=True):
    """Everything that changes at one target, with its reason and its risk.

    ``target`` names it for people; ``rules`` are the ids that asked for it; ``stops`` says what a restart ends, None
    where none is needed. ``commands`` are for worlds that slotwise does not write to: text to run or apply elsewhere.
    """

    target: str
    title: str
    reasons: tuple[str, ...]
    risks: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    activation: Activation = "now"
    stops: str | None = None
    steps: tuple[Step, ...] = ()
    files: tuple[GeneratedFile, ...] = ()
    commands: tuple[str, ...] = ()


class GeneratedFile(Struct, frozen=True):
    """A file for the operator to take elsewhere: written by --output only, never by --apply."""

    name: str
    text: str


class Refused(Struct, frozen=True):
    """A change that would break something, and what to do first."""

    what: str
    why: str
    instead: str


class FixPlan(Struct, frozen=True, kw_only=True):
    """What ``fix`` proposes. ``notes`` are steps that only a person can take."""

    remedies: tuple[Remedy, ...]
    refused: tuple[Refused, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps in order: SQL and files first, each followed by the reload that brings it into force."""
        return tuple(step for remedy in self.remedies for step in remedy.steps)
