"""SW204 idle-hoard."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.relief import Spare, spare_sessions
from slotwise.capacity.slots import Slots
from slotwise.findings import Finding, Fix, Manual, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import Clock, cite
from slotwise.snapshot.evidence import MissingEvidence
from slotwise.snapshot.holders import Holder, holders, unseen_states
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.processes import Processes

IDLE_SECONDS = 600.0
"""MAX_IDLE_TIMEOUT of odoo/sql_db.py, 17.0 to 19.0: looked at only when the same process borrows again."""
HOARD = 4
"""A worker keeps one or two connections on its database after ordinary work: fewer than this are no hoard."""
LARGE_SHARE = 0.25
NAMED = 5


@rule("SW204", Severity.INFO)
def idle_hoard(sessions: Sessions, clock: Clock, slots: Slots | None, processes: Processes | None) -> Iterator[Finding]:
    """Odoo processes keep connections that they have not used for ten minutes or more.

    **Why it matters.** Each of them is a slot that nobody else can take. Odoo has no reaper: a connection that was idle
    for ten minutes is closed only when the same process borrows again, so a worker that went quiet after a busy hour
    keeps all it had.

    **Evidence.** Sessions of one Odoo process that are idle outside a transaction and were given back to its odoo_pool
    more than 600 s ago (state_change), four or more. LISTEN sessions, runners of queue_job and connections of a pooler
    are not counted. A quarter of the usable slots or more is a warning, less is waste.

    **Fix.** End them: Odoo opens a new connection when it needs one. Then set db_maxconn to what a worker can use, so
    that it cannot hoard again.

    **When to ignore it.** When slots are plenty; idle sessions cost a few megabytes each.
    """
    spare = {s.held.backend.pid: s for s in spare_sessions(sessions, clock.taken_at) if _forgotten(s)}
    by_instance: dict[str | None, list[tuple[Holder, list[Spare]]]] = {}
    for holder in holders(sessions, processes):
        if not holder.is_odoo:
            continue
        idle = [spare[h.backend.pid] for h in holder.held if h.backend.pid in spare]
        if len(idle) >= HOARD:
            by_instance.setdefault(holder.instance, []).append((holder, idle))
    for instance, hoards in by_instance.items():
        yield _finding(instance, hoards, sessions, slots)
    gap = unseen_states(sessions)
    if gap is not None:
        raise MissingEvidence(gap)


def _forgotten(spare: Spare) -> bool:
    return spare.idle_seconds is not None and spare.idle_seconds >= IDLE_SECONDS


def _finding(
    instance: str | None, hoards: list[tuple[Holder, list[Spare]]], sessions: Sessions, slots: Slots | None
) -> Finding:
    hoards = sorted(hoards, key=lambda h: -len(h[1]))
    every = [one for _, idle in hoards for one in idle]
    named = ", ".join(f"{holder.label} ({len(idle)})" for holder, idle in hoards[:NAMED])
    more = f" and {len(hoards) - NAMED} more processes" if len(hoards) > NAMED else ""
    longest = max(one.idle_seconds or 0.0 for one in every)
    large = slots is not None and slots.usable > 0 and len(every) >= LARGE_SHARE * slots.usable
    return Finding(
        f"{len(every)} connections have been idle for ten minutes or more (up to {longest / 60:.0f} min):"
        f" {named}{more}",
        (
            cite("idle for 600 s or more", len(every), sessions.source),
            cite("longest idle seconds", longest, sessions.source),
            *((cite("usable", slots.usable, slots.source),) if slots is not None else ()),
        ),
        Fix(
            f"end these {len(every)} sessions, then set db_maxconn to what one worker can use",
            (*(one.change for one in every), Manual("lower db_maxconn: see odoo-pool-below-floor for the least")),
            "none of them is in a transaction; a process that wakes up opens a new one",
        ),
        subject=f"instance {instance}" if instance else None,
        severity=Severity.WARNING if large else Severity.INFO,
    )
