"""The nouns of the time line: one event per record that says something, and what was not readable."""

from __future__ import annotations

import msgspec

from slotwise.walls.kinds import Role, Wall


class LogEvent(msgspec.Struct, frozen=True):
    """One record of a log that names a wall, a look-alike, a cause or a piece of context."""

    seconds: float | None
    """When, in seconds since 1970 UTC as the log's own clock says; None where the record carries no time."""
    layer: str
    """Who wrote it: ``odoo``, ``postgres``, ``pgbouncer``, ``kernel``, ``client`` or ``unknown``."""
    wall: Wall
    kind: str
    role: Role
    text: str
    """The telling line, shortened to 400 characters."""
    file: str = ""
    line: int = 0
    """Line of ``file`` on which the record begins, from 1."""
    database: str | None = None
    user: str | None = None
    pid: int | None = None
    process: str | None = None
    """Role of the Odoo process where the record gives it away: http_worker, cron_worker, gevent_worker."""
    name: str | None = None
    """The role, database, version or number that the message quotes."""
    language: str = "en"
    logged_out: bool = False
    """True when Odoo (18, 19) says with it that it logs the user out."""
    echo: bool = False
    """True when another line of the same log tells the same refusal (PgBouncer writes two)."""

    @property
    def refused(self) -> bool:
        """True when somebody did not get a connection, and this line is the one that counts."""
        return self.role is Role.REFUSAL and self.wall.refuses and not self.echo


class Unread(msgspec.Struct, frozen=True):
    """What could not be read, and why: never silently left out."""

    bytes: int = 0
    records: int = 0
    reasons: dict[str, int] = {}
    """Reason to number of records or files."""

    def plus(self, other: Unread) -> Unread:
        """Both together."""
        reasons = dict(self.reasons)
        for reason, count in other.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
        return Unread(self.bytes + other.bytes, self.records + other.records, reasons)
