"""SW214 no-idle-transaction-cap."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.held_transactions import without_running_jobs
from slotwise.capacity.odoo_targets import Target, odoo_targets
from slotwise.findings import AlterRole, Finding, Fix, Manual, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import Clock, cite
from slotwise.snapshot.effective_setting import effective_duration
from slotwise.snapshot.holders import holders
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Databases, Overrides, Settings
from slotwise.snapshot.time_limits import time_limits

NAME = "idle_in_transaction_session_timeout"
LEAST_SECONDS = 900.0


@rule("SW214", Severity.INFO)
def no_idle_transaction_cap(
    settings: Settings,
    overrides: Overrides,
    odoo: Odoo,
    clock: Clock,
    databases: Databases | None,
    sessions: Sessions | None,
) -> Iterator[Finding]:
    """Nothing ever ends a transaction that Odoo left open.

    **Why it matters.** A cursor that code forgot keeps its slot, its locks and old row versions until its process ends,
    which may take days.

    **Evidence.** idle_in_transaction_session_timeout in force for Odoo's role on its databases is 0 (PostgreSQL's
    default). Waste while nothing is stuck; a warning when a transaction is idle beyond limit_time_real already.

    **Fix.** Set it for Odoo's role, well above limit_time_real and limit_time_real_cron: the cursor that locks a
    running scheduled action is idle in transaction for the whole action. Never for the whole server, and not 5 minutes.

    **When to ignore it.** When scheduled actions have no limit (limit_time_real_cron = 0) and some run for hours.
    """
    limits = time_limits(odoo)
    stuck = _stuck(sessions, odoo, clock, limits.longest_seconds)
    for target in odoo_targets(odoo, databases, sessions):
        open_ended = [
            database
            for database in target.databases
            if (value := effective_duration(settings, overrides, NAME, target.role, database)) is not None
            and value.milliseconds == 0
        ]
        if not target.databases:
            value = effective_duration(settings, overrides, NAME, target.role, None)
            open_ended = ["its databases"] if value is not None and value.milliseconds == 0 else []
        if not open_ended:
            continue
        shown = ", ".join(open_ended[:4]) + (", …" if len(open_ended) > 4 else "")
        worse = f"; {stuck} sessions are idle in transaction beyond limit_time_real now" if stuck else ""
        yield Finding(
            f"{NAME} is 0 for role {target.role} on {shown}: an open transaction is never ended{worse}",
            (
                cite(NAME, "0", "in force for the role (pg_settings, pg_db_role_setting)"),
                cite("limit_time_real", limits.request_seconds, limits.source),
                cite("limit_time_real_cron in force", limits.job_seconds, limits.source),
                cite("idle in transaction beyond it", stuck, "pg_stat_activity"),
            ),
            _fix(target, open_ended, overrides, limits.longest_seconds),
            subject=f"role {target.role}",
            severity=Severity.WARNING if stuck else Severity.INFO,
        )


def _stuck(sessions: Sessions | None, odoo: Odoo, clock: Clock, longest: float | None) -> int:
    """Open transactions without a running job that are idle beyond every limit."""
    if sessions is None or longest is None:
        return 0
    seen = without_running_jobs(holders(sessions), odoo, clock.taken_at)
    return sum(1 for _, quiet in seen for t in quiet if t.idle_seconds >= longest)


def _fix(target: Target, open_ended: list[str], overrides: Overrides, longest: float | None) -> Fix:
    if longest is None:
        text = f"ALTER ROLE {target.role} SET {NAME} to more than the longest scheduled action takes"
        return Fix("scheduled actions have no limit: choose the value by the longest one", (Manual(text),))
    wanted = f"{max(LEAST_SECONDS, 2 * longest):.0f}s"
    measure = "twice" if 2 * longest >= LEAST_SECONDS else "more than twice"
    resets = tuple(
        AlterRole(target.role, set_name=NAME, set_value=None, database=o.database)
        for o in overrides.overrides
        if o.name == NAME and o.role == target.role and o.database in open_ended
    )
    return Fix(
        f"set it to {wanted} for role {target.role}, {measure} what a request or a scheduled action may take",
        (*resets, AlterRole(target.role, set_name=NAME, set_value=wanted)),
        "takes effect at the next login; a request that waits longer in Python loses its cursor",
    )
