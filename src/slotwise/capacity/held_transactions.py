"""Open transactions in which nothing runs, by who holds them, and how many of them one process can need at once."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from slotwise.snapshot.holders import ONE_AT_A_TIME, Holder
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Held
from slotwise.snapshot.postgres import Locks
from slotwise.snapshot.session_kinds import is_cron_lock, is_idle_in_transaction
from slotwise.snapshot.time_limits import time_limits

NESTED_CURSORS = 3
"""Cursors on one database that core flows open inside each other: an RPC call's outer one, its execute, and the mail
after its commit (odoo/service/model.py, addons/mail, 17.0 to 19.0)."""

PAUSE_SECONDS = 1.0
"""Between two statements of working code lies less; below it nothing is said of several open transactions."""


class Quiet(Struct, frozen=True):
    """One session idle in transaction. ``idle_seconds`` since its last statement, ``transaction_seconds`` since BEGIN
    (None: not visible)."""

    held: Held
    idle_seconds: float
    transaction_seconds: float | None


def quiet_transactions(holder: Holder, taken_at: float) -> tuple[Quiet, ...]:
    """The holder's sessions that are idle in transaction and show since when, cursors of running jobs among them."""
    found: list[Quiet] = []
    for held in holder.held:
        backend = held.backend
        if not is_idle_in_transaction(backend) or backend.state_change is None:
            continue
        started = None if backend.xact_start is None else max(0.0, taken_at - backend.xact_start)
        found.append(Quiet(held, max(0.0, taken_at - backend.state_change), started))
    return tuple(found)


def without_running_jobs(
    all_holders: tuple[Holder, ...], odoo: Odoo | None, taken_at: float
) -> list[tuple[Holder, tuple[Quiet, ...]]]:
    """Each holder's quiet transactions, less those that a running scheduled action explains.

    The cursor that locks the action's row is never counted. The job's own cursors, at most NESTED_CURSORS for each
    lock, are forgiven until limit_time_real_cron is over (0: without end), where the same process holds the lock, or,
    where the process is not known, where a lock is held on the same database.
    """
    locked = Counter(
        h.backend.database for holder in all_holders if holder.pid is None or holder.pooler for h in _job_locks(holder)
    )
    result: list[tuple[Holder, tuple[Quiet, ...]]] = []
    for holder in all_holders:
        quiet = [t for t in quiet_transactions(holder, taken_at) if not is_cron_lock(t.held.backend)]
        limit = time_limits(odoo, holder.instance).job_seconds
        known = holder.pid is not None and not holder.pooler
        allowed = Counter(h.backend.database for h in _job_locks(holder)) if known else Counter(locked)
        budget = {database: NESTED_CURSORS * count for database, count in allowed.items()}
        kept: list[Quiet] = []
        for one in sorted(quiet, key=lambda t: -t.idle_seconds):
            database = one.held.backend.database
            if budget.get(database, 0) > 0 and (limit is None or one.idle_seconds < limit):
                budget[database] -= 1
            else:
                kept.append(one)
        result.append((holder, tuple(kept)))
    return result


def _job_locks(holder: Holder) -> list[Held]:
    return [h for h in holder.held if is_cron_lock(h.backend) and is_idle_in_transaction(h.backend)]


def exceeds_one_request(holder: Holder, quiet: tuple[Quiet, ...]) -> tuple[Quiet, ...]:
    """The transactions of a prefork worker that one request or job cannot explain; empty where it can.

    More than NESTED_CURSORS at once, or two that wait after the very same statement: a cursor that was left open, and
    opened once more.
    """
    if not holder.is_odoo or holder.role not in ONE_AT_A_TIME:
        return ()
    paused = [t for t in quiet if t.idle_seconds >= PAUSE_SECONDS]
    if len(paused) > NESTED_CURSORS:
        return tuple(paused)
    return repeated_statement(paused, 2)


def repeated_statement(quiet: list[Quiet], times: int) -> tuple[Quiet, ...]:
    """The transactions that stopped after the same statement on the same database, where ``times`` or more did."""
    seen = Counter((t.held.backend.database, t.held.backend.query) for t in quiet if _tells(t.held.backend.query))
    return tuple(
        t
        for t in quiet
        if _tells(t.held.backend.query) and seen[(t.held.backend.database, t.held.backend.query)] >= times
    )


def _tells(query: str | None) -> bool:
    """Whether the statement is work: not BEGIN or SAVEPOINT, which every cursor runs."""
    return bool(query) and not (query or "").lstrip().upper().startswith(("BEGIN", "SAVEPOINT", "RELEASE", "<"))


def blocked_by(pid: int, locks: Locks | None) -> tuple[int, ...]:
    """Every session that waits for ``pid``, directly or behind another waiter, in ascending order."""
    if locks is None:
        return ()
    found: set[int] = set()
    edge = {pid}
    while edge:
        edge = {b.pid for b in locks.blocked if edge.intersection(b.blockers)} - found - {pid}
        found |= edge
    return tuple(sorted(found))
