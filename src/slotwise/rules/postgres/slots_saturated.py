"""SW201 slots-saturated."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.slots import Slots
from slotwise.findings import EndSession, Finding, Fix, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import Clock, cite
from slotwise.snapshot.ownership import Held, Sessions

SATURATED_RATIO = 0.95


@rule("SW201", Severity.CRITICAL)
def slots_saturated(slots: Slots, sessions: Sessions, clock: Clock) -> Iterator[Finding]:
    """Nearly every connection slot that Odoo's role may take is taken.

    **Why it matters.** The next HTTP worker, scheduled action or notification that needs a session is refused:
    `remaining
    connection slots are reserved …`, or `sorry, too many clients already` once the reserve is gone too. Odoo does not
    retry a refused connection; 18 and 19 log the user out (odoo/http.py, `Database or registry unusable, trying
    without`).

    **Evidence.** Client sessions of the whole server in pg_stat_activity (background processes hold no slot), or,
    when no
    connection can be had, the titles of the server's processes; max_connections less both reserves. 95 % of the usable
    slots, or more.

    **Fix.** Free slots now: end the sessions that nobody uses, oldest first. Then find what took them: the other
    findings
    say whether it is a leak, a pool that is too large, a fan-out over databases or a client outside Odoo. Raising
    max_connections comes last: it needs a restart and moves the wall without removing the cause.

    **When to ignore it.** When the server is shared by nothing but fixed pools that can never grow beyond this number.
    """
    used = slots.used if slots.used is not None else slots.used_at_least
    if slots.usable > 0 and used < SATURATED_RATIO * slots.usable:
        return
    free = max(0, slots.usable - used)
    at_least = "" if slots.used is not None else "at least "
    yield Finding(
        f"{at_least}{used} of {slots.usable} usable slots are taken, {free} free"
        f" (max_connections {slots.max_connections}, {slots.reserved} reserved)",
        (
            cite("used", used, slots.source),
            cite("usable", slots.usable, slots.source),
            cite("max_connections", slots.max_connections, slots.source),
            cite("reserved", slots.reserved, slots.source),
        ),
        _relief(sessions, clock),
    )


def _relief(sessions: Sessions, clock: Clock) -> Fix:
    """End the session that has been idle longest outside a transaction: the one whose end harms nobody."""
    idle = [h for h in sessions.held if _is_spare(h)]
    if not idle:
        summary = "no session is idle outside a transaction: find the longest one and ask its owner before ending it"
        return Fix(summary, (), "ending a session in a transaction rolls back its work")
    first = min(idle, key=lambda h: h.backend.state_change or clock.taken_at)
    age = clock.age_seconds(first.backend.state_change)
    since = f", idle for {age:.0f} s" if age is not None else ""
    reason = "idle outside a transaction; Odoo's pool opens a new one when it needs it"
    return Fix(
        f"end the session that is idle longest (pid {first.backend.pid}{since}), then mend the cause named below",
        (EndSession(first.backend.pid, first.backend.backend_start, reason),),
        "raising max_connections needs a restart, which ends every session",
    )


def _is_spare(held: Held) -> bool:
    """Idle outside a transaction and on an application database: on `postgres` an idle session may be a LISTEN."""
    return held.backend.state == "idle" and held.backend.database not in (None, "postgres")
