"""SW202 slots-high."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.relief import spare_sessions
from slotwise.capacity.slots import Slots, is_saturated
from slotwise.findings import Finding, Fix, Manual, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import Clock, cite
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.holders import holders
from slotwise.snapshot.ownership import Sessions

HIGH_RATIO = 0.80
FORGOTTEN_SECONDS = 600.0
"""Odoo closes a pooled connection that was idle so long, but only when the same process borrows again
(odoo/sql_db.py, MAX_IDLE_TIMEOUT, 17.0 to 19.0)."""
NAMED_HOLDERS = 3


@rule("SW202", Severity.WARNING)
def slots_high(slots: Slots, sessions: Sessions, clock: Clock) -> Iterator[Finding]:
    """At least 80 % of the connection slots that Odoo's role may take are taken.

    **Why it matters.** A burst needs more than what is left: one running scheduled action takes three connections more,
    a websocket notification wave as many as db_maxconn_gevent allows. At the next peak sessions are refused.

    **Evidence.** Client sessions of the whole server (all databases, not the current one) against max_connections less
    the reserves. 80 % is counted of the usable slots. From 95 % on, slots-saturated speaks instead.

    **Fix.** End what nobody uses: sessions idle for more than ten minutes, which Odoo itself would close when it
    borrows again. Then lower the pool of the processes named here (db_maxconn), or put a pooler in between. More slots
    come last: max_connections needs a restart and memory.

    **When to ignore it.** When this is the busiest moment of the year and the processes cannot grow any further.
    """
    if is_saturated(slots, sessions):
        return
    used = slots.used if slots.used is not None else slots.used_at_least
    if slots.used is None and HIGH_RATIO * slots.usable > used >= HIGH_RATIO * slots.usable - sessions.unclassified:
        reason = f"{sessions.unclassified} rows may be client sessions or background workers"
        raise MissingEvidence(Unavailable(sessions.source, reason, "GRANT pg_monitor to the role of slotwise"))
    if used < HIGH_RATIO * slots.usable:
        return
    biggest = sorted(holders(sessions), key=lambda h: -len(h.held))[:NAMED_HOLDERS]
    at_least = "" if slots.used is not None else "at least "
    named = ", ".join(f"{h.label} ({len(h.held)})" for h in biggest)
    yield Finding(
        f"{at_least}{used} of {slots.usable} usable slots are taken ({used / slots.usable:.0%}); most by {named}",
        (
            cite("used", used, slots.source),
            cite("usable", slots.usable, slots.source),
            *(cite(h.label, len(h.held), sessions.source) for h in biggest),
        ),
        _fix(slots, sessions, clock, used),
    )


def _fix(slots: Slots, sessions: Sessions, clock: Clock, used: int) -> Fix:
    forgotten = [s for s in spare_sessions(sessions, clock.taken_at) if (s.idle_seconds or 0) >= FORGOTTEN_SECONDS]
    surplus = used - int(HIGH_RATIO * slots.usable) + 1
    chosen = sorted(forgotten, key=lambda s: -(s.idle_seconds or 0))[:surplus]
    lower = Manual("lower db_maxconn of the processes that hold most, or put PgBouncer in between; see capacity")
    if not chosen:
        return Fix("no session is idle for ten minutes: the demand is real, so lower the pools", (lower,))
    return Fix(
        f"end {len(chosen)} sessions that have been idle for ten minutes or more, then lower the pools",
        (*(s.change for s in chosen), lower),
        "processes that wake up open them again: only smaller pools keep the slots free",
    )
