"""SW203 stuck-idle-in-transaction."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from slotwise.capacity.held_transactions import (
    Quiet,
    blocked_by,
    exceeds_one_request,
    without_running_jobs,
)
from slotwise.findings import EndSession, Evidence, Finding, Fix, Manual, RestartProcess, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import Clock, cite
from slotwise.snapshot.evidence import MissingEvidence
from slotwise.snapshot.holders import ODOO_ROLES, ONE_AT_A_TIME, Holder, holders, short_statement, unseen_states
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Locks
from slotwise.snapshot.processes import Processes
from slotwise.snapshot.session_kinds import has_odoo_name
from slotwise.snapshot.time_limits import TimeLimits, time_limits

NOTICED_SECONDS = 10.0
BLOCKING_SECONDS = 30.0
OUTSIDE_NOTICED_SECONDS = 60.0
OUTSIDE_LIMIT_SECONDS = 600.0
PATIENT_SECONDS = 3600.0
"""A shell or an update may think for long: nobody waits for it."""


@rule("SW203", Severity.WARNING)
def stuck_idle_in_transaction(
    sessions: Sessions, clock: Clock, locks: Locks | None, odoo: Odoo | None, processes: Processes | None
) -> Iterator[Finding]:
    """A session keeps a transaction open without running anything.

    **Why it matters.** It holds a slot, its locks and old row versions, and behind PgBouncer a server connection that
    nobody else gets. When others wait for its locks, each of them holds a slot and an HTTP worker too.

    **Evidence.** State *idle in transaction* in pg_stat_activity and the time since its last statement. Ten seconds are
    noted (info): Python may be computing, printing or waiting for another service. Beyond limit_time_real nobody can be
    working on it any more (warning), and so when one worker holds more open transactions than one request nests.
    Blocking others for half a minute is critical. The cursor that locks a running scheduled action is idle in
    transaction for the whole job by design (odoo/addons/base/models/ir_cron.py) and never counted, nor is the job's own
    cursor before limit_time_real_cron.

    **Fix.** End the session, which rolls its transaction back, or let the master replace the worker that holds many.
    Then mend the code that left the cursor open: `slotwise scan` finds it.

    **When to ignore it.** While someone debugs, or during a migration that was announced.
    """
    seen = without_running_jobs(holders(sessions, processes), odoo, clock.taken_at)
    for holder, quiet in seen:
        found = _judge(holder, quiet, locks, time_limits(odoo, holder.instance))
        if found is not None:
            yield found
    gap = unseen_states(sessions)
    if gap is not None:
        raise MissingEvidence(gap)


class _Grades(Struct, frozen=True):
    """From how many seconds a holder's silence is noted, and from how many nobody can be working any more."""

    noticed: float
    limit: float | None


def _judge(holder: Holder, transactions: tuple[Quiet, ...], locks: Locks | None, limits: TimeLimits) -> Finding | None:
    grades = _grades(holder, limits)
    blocked = {t.held.backend.pid: blocked_by(t.held.backend.pid, locks) for t in transactions}
    many = exceeds_one_request(holder, transactions)
    stuck = [
        t
        for t in transactions
        if t.idle_seconds >= grades.noticed
        or (blocked[t.held.backend.pid] and t.idle_seconds >= NOTICED_SECONDS)
        or (many and t in many)
    ]
    if not stuck:
        return None
    oldest = max(t.idle_seconds for t in stuck)
    waiting = sorted({pid for t in stuck for pid in blocked[t.held.backend.pid]})
    blocks_since = max((t.idle_seconds for t in stuck if blocked[t.held.backend.pid]), default=0.0)
    over = grades.limit is not None and oldest >= grades.limit
    if waiting and blocks_since >= BLOCKING_SECONDS:
        severity = Severity.CRITICAL
    elif waiting or many or over:
        severity = Severity.WARNING
    else:
        severity = Severity.INFO
    return Finding(
        _message(holder, stuck, waiting),
        _evidence(stuck, waiting, locks, limits),
        _fix(holder, stuck, severity is Severity.CRITICAL or over, bool(many), grades),
        subject=holder.label,
        severity=severity,
    )


def _grades(holder: Holder, limits: TimeLimits) -> _Grades:
    if holder.role in ("shell", "cli"):
        return _Grades(PATIENT_SECONDS, None)
    if holder.certainty == "known" and holder.role in ODOO_ROLES:
        job = holder.role in ("cron_worker", "queue_job")
        limit = limits.job_seconds if job else limits.request_seconds
        return _Grades(min(NOTICED_SECONDS, limit) if limit else NOTICED_SECONDS, limit)
    if holder.pooler or any(has_odoo_name(h.backend) for h in holder.held):
        return _Grades(NOTICED_SECONDS, limits.longest_seconds)
    return _Grades(OUTSIDE_NOTICED_SECONDS, OUTSIDE_LIMIT_SECONDS)


def _message(holder: Holder, stuck: list[Quiet], waiting: list[int]) -> str:
    databases = ", ".join(sorted({t.held.backend.database or "?" for t in stuck}))
    youngest, oldest = min(t.idle_seconds for t in stuck), max(t.idle_seconds for t in stuck)
    ages = f"{oldest:.0f} s" if f"{youngest:.0f}" == f"{oldest:.0f}" else f"{youngest:.0f} to {oldest:.0f} s"
    count = "a session" if len(stuck) == 1 else f"{len(stuck)} sessions"
    last = max(stuck, key=lambda t: t.idle_seconds).held.backend.query
    text = f"{holder.label} holds {count} idle in transaction on {databases} for {ages}; last statement: "
    text += short_statement(last)
    if waiting:
        pids = ", ".join(map(str, waiting[:5])) + (", …" if len(waiting) > 5 else "")
        text += f"; it blocks {len(waiting)} sessions (pids {pids})" if len(waiting) > 1 else f"; it blocks pid {pids}"
    return text


def _evidence(stuck: list[Quiet], waiting: list[int], locks: Locks | None, limits: TimeLimits) -> tuple[Evidence, ...]:
    oldest = sorted(stuck, key=lambda t: -t.idle_seconds)[:5]
    cited = [cite(f"idle seconds of pid {t.held.backend.pid}", t.idle_seconds, "pg_stat_activity") for t in oldest]
    cited.append(cite("sessions idle in transaction", len(stuck), "pg_stat_activity"))
    cited.append(cite("limit_time_real", limits.request_seconds, limits.source))
    if waiting and locks is not None:
        cited.append(cite("sessions that wait for it", len(waiting), locks.source))
    return tuple(cited)


def _fix(holder: Holder, stuck: list[Quiet], lost: bool, many: bool, grades: _Grades) -> Fix:
    """``lost``: nobody can be working on it any more, or others cannot wait for that. Before that nothing is ended."""
    if not lost and not many:
        if grades.limit is None:
            wait = "ask its user to finish or to close it"
        else:
            wait = f"look again: beyond {grades.limit:.0f} s nobody is working on it any more"
        return Fix(wait, (Manual(wait),))
    if many and holder.pid is not None and holder.role in ONE_AT_A_TIME:
        reason = f"it holds {len(stuck)} transactions open, more than one request can use"
        return Fix(
            f"have {holder.label} replaced by its master, which closes all that it holds; then find the open cursor",
            (RestartProcess(holder.pid, None, reason), Manual("slotwise scan ADDONS finds cursors left open")),
            "the request or job that it runs at that moment is lost",
        )
    ends = tuple(
        EndSession(t.held.backend.pid, t.held.backend.backend_start, "idle in transaction beyond any request's time")
        for t in stuck
    )
    return Fix(
        f"end {'the session' if len(ends) == 1 else f'the {len(ends)} sessions'}, then mend the code that left it open",
        ends,
        "its transaction is rolled back: what it changed since its start is lost",
    )
