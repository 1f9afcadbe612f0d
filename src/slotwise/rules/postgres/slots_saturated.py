"""SW201 slots-saturated."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.relief import spare_sessions
from slotwise.capacity.slots import Slots, is_saturated
from slotwise.findings import Finding, Fix, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import Clock, cite
from slotwise.snapshot.ownership import Sessions


@rule("SW201", Severity.CRITICAL)
def slots_saturated(slots: Slots, sessions: Sessions, clock: Clock) -> Iterator[Finding]:
    """Nearly every connection slot that Odoo's role may take is taken.

    **Why it matters.** The next HTTP worker, scheduled action or notification that needs a session is refused:
    `remaining connection slots are reserved …`, or `sorry, too many clients already` once the reserve is gone too. Odoo
    does not retry a refused connection; 18 and 19 log the user out (odoo/http.py, `Database or registry unusable,
    trying without`).

    **Evidence.** Client sessions of the whole server in pg_stat_activity (background processes hold no slot), or, when
    no connection can be had, the titles of the server's processes; max_connections less both reserves. 95 % of the
    usable slots, or more.

    **Fix.** Free a slot now: end a session that was given back to Odoo's pool, idle longest. Then find what took the
    others: the other findings say whether it is a leak, a pool that is too large, a fan-out over databases or a client
    outside Odoo. Raising max_connections comes last: it needs a restart and moves the wall without removing the cause.

    **When to ignore it.** When the server is shared by nothing but fixed pools that can never grow beyond this number.
    """
    if not is_saturated(slots, sessions):
        return
    used = slots.used if slots.used is not None else slots.used_at_least
    free = max(0, slots.usable - used)
    at_least = "" if slots.used is not None else "at least "
    if used > slots.usable:
        taken = f"all {slots.usable} usable slots are taken, {used} sessions are open"
    else:
        taken = f"{at_least}{used} of {slots.usable} usable slots are taken, {free} free"
    yield Finding(
        f"{taken} (max_connections {slots.max_connections}, {slots.reserved} reserved)",
        (
            cite("used", used, slots.source),
            cite("usable", slots.usable, slots.source),
            cite("max_connections", slots.max_connections, slots.source),
            cite("reserved", slots.reserved, slots.source),
        ),
        _relief(sessions, clock),
    )


def _relief(sessions: Sessions, clock: Clock) -> Fix:
    """End the session whose end harms nobody: given back to its pool, or without a client, and idle longest."""
    first = next(iter(spare_sessions(sessions, clock.taken_at)), None)
    if first is None:
        summary = "no session is idle outside a transaction: find the longest one and ask its owner before ending it"
        return Fix(summary, (), "ending a session in a transaction rolls back its work")
    since = f", idle for {first.idle_seconds:.0f} s" if first.idle_seconds is not None else ""
    return Fix(
        f"end one session to get in (pid {first.held.backend.pid}{since}: {first.why}), then mend the cause",
        (first.change,),
        "raising max_connections needs a restart, which ends every session",
    )
