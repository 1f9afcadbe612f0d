"""SW210 long-active-queries."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import EndSession, Finding, Fix, Manual, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import Clock, cite
from slotwise.snapshot.evidence import MissingEvidence
from slotwise.snapshot.holders import Holder, holders, short_statement, unseen_states
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Held, Sessions
from slotwise.snapshot.processes import Processes
from slotwise.snapshot.session_kinds import has_odoo_name, is_cron_lock
from slotwise.snapshot.time_limits import TimeLimits, time_limits

NOTICED_SECONDS = 60.0
OUTSIDE_SECONDS = 600.0
PATIENT_SECONDS = 3600.0
PATIENT_NAMES = ("pg_dump", "pg_restore", "pg_basebackup", "pg_dumpall", "vacuumdb", "reindexdb")
RUNNING = frozenset({"active", "fastpath function call"})


@rule("SW210", Severity.WARNING)
def long_active_queries(
    sessions: Sessions, clock: Clock, odoo: Odoo | None, processes: Processes | None
) -> Iterator[Finding]:
    """A statement has been running longer than its user can be waiting for it.

    **Why it matters.** It holds a slot, a worker and CPU. Beyond limit_time_real Odoo's master has killed the HTTP
    worker that asked, and the server goes on for nobody; users who press the button again add another one each time.

    **Evidence.** State *active* and query_start in pg_stat_activity. A minute for an HTTP worker is noted, beyond
    limit_time_real it is a warning; a scheduled action has limit_time_real_cron, a client outside Odoo ten minutes, an
    update, a dump or a restore an hour. Sessions that wait for a lock belong to lock-pileup, those whose client is gone
    to orphan-backends.

    **Fix.** Cancel the statement (the session survives), then look at its plan: a missing index or an unbounded list.

    **When to ignore it.** Known reports and maintenance, at the hours that were agreed for them.
    """
    for holder in holders(sessions, processes):
        if holder.certainty == "orphan":
            continue
        limits = time_limits(odoo, holder.instance)
        for held in holder.held:
            if held.backend.state in RUNNING and held.backend.wait_event_type != "Lock":
                found = _judge(holder, held, limits, clock)
                if found is not None:
                    yield found
    gap = unseen_states(sessions)
    if gap is not None:
        raise MissingEvidence(gap)


def _judge(holder: Holder, held: Held, limits: TimeLimits, clock: Clock) -> Finding | None:
    backend = held.backend
    age = clock.age_seconds(backend.query_start)
    noticed, limit, words = _bounds(holder, held, limits)
    if age is None or noticed is None or age < noticed:
        return None
    over = limit is not None and age >= limit
    if over:
        end = EndSession(backend.pid, backend.backend_start, f"its statement runs for {age:.0f} s, beyond {words}")
        fix = Fix("cancel the statement, then look at its plan", (end,), "its transaction is rolled back")
    else:
        fix = Fix(f"look again: it may run until {words}", (Manual(f"EXPLAIN the statement of pid {backend.pid}"),))
    return Finding(
        f"{holder.label} has had a statement running on {backend.database or '?'} for {age:.0f} s (pid {backend.pid}):"
        f" {short_statement(backend.query)}",
        (
            cite("running seconds", age, "pg_stat_activity.query_start"),
            cite("limit seconds", limit if limit is not None else noticed, words),
            cite("wait event", backend.wait_event, "pg_stat_activity"),
        ),
        fix,
        subject=f"pid {backend.pid}",
        severity=Severity.WARNING if over else Severity.INFO,
    )


def _bounds(holder: Holder, held: Held, limits: TimeLimits) -> tuple[float | None, float | None, str]:
    """From how many seconds it is noted, from how many it is a warning, and the name of that limit."""
    name = held.backend.application_name or ""
    if holder.role in ("cli", "shell") or name.startswith(PATIENT_NAMES):
        return PATIENT_SECONDS, None, "one hour"
    job = holder.role in ("cron_worker", "queue_job") or any(is_cron_lock(h.backend) for h in holder.held)
    if holder.certainty == "known" and holder.role in ("http_worker", "gevent", "threaded", "master") and not job:
        seconds = limits.request_seconds
        noticed = NOTICED_SECONDS if seconds is None else min(NOTICED_SECONDS, seconds)
        return noticed, seconds, f"limit_time_real ({limits.source})"
    if job or holder.pooler or has_odoo_name(held.backend):
        longest = limits.job_seconds if holder.role == "cron_worker" else limits.longest_seconds
        return longest, longest, f"limit_time_real_cron ({limits.source})"
    return OUTSIDE_SECONDS, None, "ten minutes"
