"""What fix takes from the plan: PgBouncer's sizes, and the guide's timeouts where they are asked for."""

from __future__ import annotations

from slotwise.capacity.odoo_targets import odoo_targets
from slotwise.capacity.planner import plan_server
from slotwise.capacity.pooling import PoolSizing
from slotwise.commands.plan_sources import subject_of
from slotwise.errors import OperatorError
from slotwise.findings import AlterRole
from slotwise.fixes.requested import Requested
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Databases
from slotwise.snapshot.sessions import sessions
from slotwise.snapshot.time_limits import time_limits

GUIDE_SECONDS = {"idle_in_transaction_session_timeout": 300, "statement_timeout": 600}
"""The well-known guide: 5 minutes idle in transaction, 10 minutes a statement."""


def sizing_of(snapshot: Snapshot) -> tuple[PoolSizing | None, tuple[str, ...]]:
    """PgBouncer's pools for this installation as the plan sizes them, and the roles that Odoo connects as. None where
    demand or slots are unknown."""
    users = snapshot.odoo.users if isinstance(snapshot.odoo, Odoo) else ()
    try:
        subject = subject_of(snapshot, snapshot.host)
    except OperatorError:
        return None, users
    plan = plan_server(subject.deployment, subject.deployment.servers[0].name, subject.terms)
    return next((one.pooling for one in plan.alternatives if one.name == "add-pgbouncer"), None), users


def guide_timeouts(snapshot: Snapshot) -> tuple[Requested, ...]:
    """The guide's 5 and 10 minutes, for Odoo's role on its databases only, with what they would kill here."""
    if not isinstance(snapshot.odoo, Odoo):
        raise OperatorError("--guide-timeouts needs Odoo's configuration", "name it with --config FILE")
    databases = snapshot.databases if isinstance(snapshot.databases, Databases) else None
    held = sessions(snapshot)
    limits = time_limits(snapshot.odoo)
    found: list[Requested] = []
    for target in odoo_targets(snapshot.odoo, databases, held if isinstance(held, Sessions) else None):
        for database in target.databases:
            for name, seconds in GUIDE_SECONDS.items():
                found.append(
                    Requested(
                        AlterRole(target.role, set_name=name, set_value=f"{seconds}s", database=database),
                        "asked for with --guide-timeouts",
                        _kills(name, seconds, limits.request_seconds, limits.job_seconds),
                        "guide",
                    )
                )
    return tuple(found)


def _kills(name: str, seconds: int, request: float | None, job: float | None) -> str:
    """What a timeout ends in this installation."""
    ends = []
    if request is None or request > seconds:
        ends.append(f"requests longer than {seconds} s ({_span(request)} allowed by limit_time_real)")
    if job is None or job > seconds:
        what = (
            "in which Python works that long between two statements"
            if name.startswith("idle")
            else "with such a statement"
        )
        ends.append(f"scheduled actions {what} ({_span(job)} allowed by limit_time_real_cron)")
    if name == "statement_timeout":
        ends.append("index builds and long queries of -u and -i: run these with PGOPTIONS='-c statement_timeout=0'")
    return f"{name} = {seconds}s ends " + (
        ", ".join(ends) if ends else "nothing that Odoo's own limits do not end before"
    )


def _span(seconds: float | None) -> str:
    return "no limit" if seconds is None else f"{seconds:.0f} s"
