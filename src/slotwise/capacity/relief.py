"""Which session may be ended to win a slot at once, and why its end harms nobody.

Odoo's odoo_pool resets a connection when it lends it out again; one that the server closed is dropped there and a new
one is opened (odoo/sql_db.py, ConnectionPool.borrow: 17.0:654-661, 18.0 and 19.0 the same). So a session that was
given back (idle, last statement COMMIT or ROLLBACK) can go; one that was lent out and not used yet (idle, last
statement DISCARD ALL or none) cannot.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from slotwise.findings import EndSession
from slotwise.snapshot.holders import ODOO_ROLES, POOLER_NAME
from slotwise.snapshot.ownership import Held, Sessions
from slotwise.snapshot.session_kinds import MAINTENANCE_DATABASE, has_odoo_name, is_listener, is_queue_job_runner

GIVEN_BACK = frozenset({"COMMIT", "ROLLBACK"})
"""The last statement of a connection that lies in an odoo_pool."""


class Spare(Struct, frozen=True):
    """A session that may be ended. ``idle_seconds`` is None where it is not visible; ``why`` is half a sentence."""

    held: Held
    idle_seconds: float | None
    why: str

    @property
    def change(self) -> EndSession:
        """The step that ends it."""
        return EndSession(self.held.backend.pid, self.held.backend.backend_start, self.why)


def spare_sessions(
    sessions: Sessions, taken_at: float, among: Callable[[Held], bool] = lambda held: True
) -> tuple[Spare, ...]:
    """Sessions that may be ended, the safest first and of equal ones the longest idle. Never a LISTEN session, one in
    a transaction, a superuser's on `postgres`, or one whose state is not visible."""
    ranked: list[tuple[int, float, Spare]] = []
    for held in sessions.held:
        told = _why(held) if among(held) else None
        if told is None:
            continue
        since = held.backend.state_change
        idle = None if since is None else max(0.0, taken_at - since)
        ranked.append((told[0], -(idle or 0.0), Spare(held, idle, told[1])))
    return tuple(spare for _, _, spare in sorted(ranked, key=lambda r: r[:2]))


def _why(held: Held) -> tuple[int, str] | None:
    backend, owner = held.backend, held.owner
    if backend.state != "idle" or backend.database in (None, MAINTENANCE_DATABASE):
        return None
    if is_listener(held) or is_queue_job_runner(held):
        return None
    if owner.certainty == "orphan":
        return 0, "its client is gone"
    if owner.name == POOLER_NAME:
        return 3, "idle in a PgBouncer's pool, which logs in again when it needs it"
    if owner.role in ODOO_ROLES or has_odoo_name(backend):
        if backend.seen_in == "process title" or backend.query is None:
            return 2, "idle outside a transaction; Odoo's pool opens a new one when it needs it"
        if backend.query.strip().upper() in GIVEN_BACK:
            return 1, "idle and given back to Odoo's pool, which opens a new one when it needs it"
        return None
    return 4, "idle outside a transaction"
