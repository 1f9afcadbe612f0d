"""SW213 harmful-timeouts."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.odoo_targets import Target, odoo_targets
from slotwise.findings import AlterRole, Change, Finding, Fix, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite
from slotwise.snapshot.effective_setting import Effective, effective_duration
from slotwise.snapshot.evidence import MissingEvidence
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Databases, Overrides, Settings
from slotwise.snapshot.session_kinds import MAINTENANCE_DATABASE, is_queue_job_runner
from slotwise.snapshot.time_limits import TimeLimits, time_limits

IDLE_SESSION = "idle_session_timeout"
IDLE_TRANSACTION = "idle_in_transaction_session_timeout"
STATEMENT = "statement_timeout"
TRANSACTION = "transaction_timeout"
MINIMUM_IDLE_TRANSACTION_SECONDS = 900.0


@rule("SW213", Severity.WARNING)
def harmful_timeouts(
    settings: Settings, overrides: Overrides, odoo: Odoo, databases: Databases | None, sessions: Sessions | None
) -> Iterator[Finding]:
    """A timeout of PostgreSQL ends what Odoo keeps open on purpose.

    **Why it matters.** idle_session_timeout kills the sessions that LISTEN: bus and cron triggers stop, in a threaded
    Odoo 17 or 18 until it is restarted. idle_in_transaction_session_timeout below limit_time_real_cron kills the cursor
    that locks a scheduled action, in the middle of the action. statement_timeout for everybody ends installations,
    updates, index builds and reports; transaction_timeout every long job.

    **Evidence.** The value that a session of Odoo's role gets on `postgres` and on its databases, by PostgreSQL's
    precedence: configuration, command line, ALTER ROLE ALL, ALTER DATABASE, ALTER ROLE, ALTER ROLE IN DATABASE.

    **Fix.** Set the value for Odoo's role, which wins over the server's and the database's: 0, or longer than the
    longest action. Other roles keep their own. It takes effect at the next login: restart Odoo afterwards.

    **When to ignore it.** When the role with that setting runs no listener and no job (a reporting role).
    """
    limits = time_limits(odoo)
    missing: MissingEvidence | None = None
    for target in odoo_targets(odoo, databases, sessions):
        for name in (IDLE_SESSION, IDLE_TRANSACTION, STATEMENT, TRANSACTION):
            try:
                yield from _judge(name, target, settings, overrides, limits, _runner_databases(sessions))
            except MissingEvidence as gap:
                missing = missing or gap
    if missing is not None:
        raise missing


def _runner_databases(sessions: Sessions | None) -> frozenset[str | None]:
    """Databases on which OCA queue_job's runner listens."""
    held = sessions.held if sessions is not None else ()
    return frozenset(h.backend.database for h in held if is_queue_job_runner(h))


def _judge(
    name: str,
    target: Target,
    settings: Settings,
    overrides: Overrides,
    limits: TimeLimits,
    runners: frozenset[str | None],
) -> Iterator[Finding]:
    harmed: dict[Effective, list[str]] = {}
    for database in (MAINTENANCE_DATABASE, *target.databases):
        value = effective_duration(settings, overrides, name, target.role, database)
        if value is not None and value.milliseconds > 0 and _harms(name, database, value, limits, runners):
            harmed.setdefault(value, []).append(database)
    for value, names in harmed.items():
        shown = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
        yield Finding(
            f"{name} is {value.text} for role {target.role} on {shown}: {_consequence(name, limits)}",
            (
                cite(name, value.text, value.source),
                cite("limit_time_real", limits.request_seconds, limits.source),
                cite("limit_time_real_cron in force", limits.job_seconds, limits.source),
            ),
            _fix(name, target, value, limits),
            subject=f"role {target.role}",
            severity=_severity(name, value, limits),
        )


def _harms(name: str, database: str, value: Effective, limits: TimeLimits, runners: frozenset[str | None]) -> bool:
    seconds = value.milliseconds / 1000
    if name == IDLE_SESSION:
        return database == MAINTENANCE_DATABASE or database in runners
    if database == MAINTENANCE_DATABASE:
        return False
    longest = limits.longest_seconds
    if name == STATEMENT and value.server_wide:
        return True
    if name == TRANSACTION and (value.server_wide or longest is None):
        return True
    return longest is None or seconds < longest


def _severity(name: str, value: Effective, limits: TimeLimits) -> Severity:
    """A value that is long enough for every request, where jobs have no limit of their own, may still be meant so."""
    if (
        name in (IDLE_TRANSACTION, STATEMENT)
        and limits.longest_seconds is None
        and not (name == STATEMENT and value.server_wide)
    ):
        request = limits.request_seconds or 0.0
        return (
            Severity.INFO
            if value.milliseconds / 1000 >= max(request, MINIMUM_IDLE_TRANSACTION_SECONDS)
            else (Severity.WARNING)
        )
    return Severity.WARNING


def _consequence(name: str, limits: TimeLimits) -> str:
    job = f"{limits.longest_seconds:.0f} s" if limits.longest_seconds is not None else "without limit"
    return {
        IDLE_SESSION: "it ends sessions that LISTEN, which are idle for days by design",
        IDLE_TRANSACTION: f"it ends scheduled actions and requests that may take longer ({job})",
        STATEMENT: f"it ends installations, updates and long reports (Odoo's own limit: {job})",
        TRANSACTION: f"it ends every longer job, whatever it does (Odoo's own limit: {job})",
    }[name]


def _fix(name: str, target: Target, value: Effective, limits: TimeLimits) -> Fix:
    longest = limits.longest_seconds
    wanted = "0"
    if name == IDLE_TRANSACTION and longest is not None:
        wanted = f"{max(MINIMUM_IDLE_TRANSACTION_SECONDS, 2 * longest):.0f}s"
    changes: list[Change] = []
    if value.role == target.role and value.database is not None:
        changes.append(AlterRole(target.role, set_name=name, set_value=None, database=value.database))
    changes.append(AlterRole(target.role, set_name=name, set_value=wanted))
    return Fix(
        f"set {name} to {wanted} for role {target.role}, then restart Odoo: a session keeps the value of its login",
        tuple(changes),
        "behind PgBouncer reconnect its server connections too (RECONNECT)",
    )
