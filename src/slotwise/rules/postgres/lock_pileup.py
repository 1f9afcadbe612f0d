"""SW209 lock-pileup."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.held_transactions import blocked_by
from slotwise.findings import EndSession, Evidence, Finding, Fix, Manual, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import Clock, cite
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.holders import Holder, holders, short_statement
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import CLIENT_BACKEND, Activity, Backend, Locks
from slotwise.snapshot.processes import Processes
from slotwise.snapshot.session_kinds import is_cron_lock, is_idle_in_transaction

PREPARED_TRANSACTION = 0
"""pg_blocking_pids() shows a prepared transaction as pid 0 (src/backend/utils/adt/lockfuncs.c, 12 to 18)."""
PILE = 3
LONG_WAIT_SECONDS = 30.0
CRITICAL_PILE = 5
CRITICAL_WAIT_SECONDS = 10.0


@rule("SW209", Severity.WARNING)
def lock_pileup(
    sessions: Sessions, activity: Activity, clock: Clock, locks: Locks | None, processes: Processes | None
) -> Iterator[Finding]:
    """Sessions queue up behind one transaction's locks.

    **Why it matters.** Each waiting session holds a slot, and the HTTP worker or job behind it does nothing else. One
    forgotten transaction or one ALTER TABLE can stop every worker, and new requests then find neither worker nor slot.

    **Evidence.** pg_blocking_pids() of every session that waits for a heavyweight lock, followed to the session that
    waits for nobody: the root. Three sessions behind it, or one for half a minute. Five that wait ten seconds are
    critical.

    **Fix.** End the root, not the waiters: everything behind it goes on. If it is a running scheduled action or an
    update, wait for it unless the users cannot. A prepared transaction ends only by COMMIT or ROLLBACK PREPARED.

    **When to ignore it.** During an announced update: `-u` takes strong locks for a short time.
    """
    if locks is None:
        _nobody_waits(activity)
        return
    by_pid = {b.pid: b for b in activity.backends}
    owners = {h.backend.pid: holder for holder in holders(sessions, processes) for h in holder.held}
    blocked = {b.pid for b in locks.blocked}
    roots = sorted({p for b in locks.blocked for p in b.blockers if p not in blocked})
    for root in roots:
        waiters = blocked_by(root, locks)
        waits = [_waits(by_pid.get(pid), clock) for pid in waiters]
        longest = max(waits, default=0.0)
        if len(waiters) < PILE and longest < LONG_WAIT_SECONDS:
            continue
        critical = len(waiters) >= CRITICAL_PILE and longest >= CRITICAL_WAIT_SECONDS
        backend = by_pid.get(root)
        yield Finding(
            _message(root, backend, owners.get(root), waiters, longest, clock),
            _evidence(root, backend, waiters, longest, locks, clock),
            _fix(root, backend, owners.get(root), longest),
            subject=f"pid {root}",
            severity=Severity.CRITICAL if critical else Severity.WARNING,
        )


def _nobody_waits(activity: Activity) -> None:
    """Where blockers were not asked for, health still shows in that nobody waits. Raises MissingEvidence where someone
    does, or may."""
    waiting = sum(1 for b in activity.backends if b.wait_event_type == "Lock")
    if waiting or activity.masked:
        what = f"{waiting} sessions wait for a lock" if waiting else f"{activity.masked} rows are masked"
        reason = f"{what}, and who blocks whom was not read"
        raise MissingEvidence(Unavailable("pg_blocking_pids()", reason, "run slotwise as a role in pg_monitor"))


def _waits(backend: Backend | None, clock: Clock) -> float:
    """Seconds since the waiter's statement began: it has waited no longer than that."""
    return (clock.age_seconds(backend.query_start) or 0.0) if backend is not None else 0.0


def _message(
    root: int, backend: Backend | None, owner: Holder | None, waiters: tuple[int, ...], longest: float, clock: Clock
) -> str:
    if root == PREPARED_TRANSACTION:
        who = "a prepared transaction"
    elif backend is None:
        who = f"pid {root}, which is not visible to this role,"
    else:
        kind = backend.backend_type if backend.backend_type not in (None, CLIENT_BACKEND) else None
        holder = owner.label if owner is not None else kind or "a client that is not known"
        age = clock.age_seconds(backend.xact_start)
        since = f", in a transaction for {age:.0f} s" if age is not None else ""
        who = f"pid {root} of {holder} ({backend.state or 'state not visible'}{since}"
        who += f", last statement: {short_statement(backend.query)})"
    count = f"{len(waiters)} sessions wait" if len(waiters) > 1 else "1 session waits"
    return f"{count} up to {longest:.0f} s behind {who}"


def _evidence(
    root: int, backend: Backend | None, waiters: tuple[int, ...], longest: float, locks: Locks, clock: Clock
) -> tuple[Evidence, ...]:
    cited = [
        cite("sessions behind it", len(waiters), locks.source),
        cite("longest wait seconds", longest, "pg_stat_activity.query_start"),
        cite("root", root, locks.source),
    ]
    if backend is not None:
        cited.append(cite("state of the root", backend.state, "pg_stat_activity"))
        cited.append(cite("transaction seconds", clock.age_seconds(backend.xact_start), "pg_stat_activity.xact_start"))
    return tuple(cited)


def _fix(root: int, backend: Backend | None, owner: Holder | None, longest: float) -> Fix:
    if root == PREPARED_TRANSACTION:
        text = "SELECT gid, prepared FROM pg_prepared_xacts, then COMMIT PREPARED or ROLLBACK PREPARED the oldest"
        return Fix("decide the prepared transaction", (Manual(text),))
    if backend is None or backend.masked or (backend.backend_type not in (None, CLIENT_BACKEND)):
        text = f"look at pid {root} as a superuser before anything else: it is no ordinary client session"
        if backend is not None and "autovacuum" in (backend.backend_type or ""):
            text = f"let pid {root} finish: it yields by itself unless it prevents wraparound, and then it must run"
        return Fix("find out what holds the lock", (Manual(text),))
    if is_cron_lock(backend) or (owner is not None and owner.role in ("cli", "cron_worker")):
        risk = "a running scheduled action or update is rolled back and has to run again"
    elif is_idle_in_transaction(backend):
        risk = "its transaction is rolled back"
    else:
        risk = "its statement is cancelled first; if that is not enough, its transaction is rolled back"
    end = EndSession(root, backend.backend_start, "others wait for its locks")
    first = "" if longest >= LONG_WAIT_SECONDS else "look again first; if it still blocks, "
    return Fix(f"{first}end pid {root}: everything behind it goes on by itself", (end,), risk)
