"""SW212 role-or-database-limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import ceil

from slotwise.capacity.from_snapshot import InstallationDemand
from slotwise.capacity.slots import Slots
from slotwise.findings import AlterDatabase, AlterRole, Change, Evidence, Finding, Fix, Manual, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Databases, Role, Roles
from slotwise.snapshot.session_kinds import MAINTENANCE_DATABASE

NEAR_RATIO = 0.8
INVALID_DATABASE = -2
"""pg_database.datconnlimit of a database whose DROP DATABASE was interrupted (src/include/catalog/pg_database.h, 16
and the minor releases of August 2023 of 12 to 15)."""
ROOM = 2.0


@rule("SW212", Severity.WARNING)
def role_or_database_limit(
    sessions: Sessions,
    roles: Roles,
    databases: Databases,
    odoo: Odoo | None,
    demand: InstallationDemand | None,
    slots: Slots | None,
) -> Iterator[Finding]:
    """A CONNECTION LIMIT of a role or a database is reached, or lower than what Odoo needs.

    **Why it matters.** `FATAL: too many connections for role` looks like a full server, but max_connections is not the
    wall: raising it changes nothing. The limit refuses even while most slots are free.

    **Evidence.** pg_roles.rolconnlimit and pg_database.datconnlimit against the sessions of that role or database on
    the whole server. Superusers are exempt from both, but their sessions count towards a database's limit
    (src/backend/utils/init/postinit.c, CheckMyDatabase, and miscinit.c, 12 to 18). A reached limit is critical, 80 %
    of it or a limit below the model's typical demand is a warning, and what only stops others a note. Limit -2 is a
    database that was only half dropped.

    **Fix.** Raise the limit to what the installation needs, within the usable slots. It takes effect for new logins at
    once.

    **When to ignore it.** When the limit is there to keep a guest small and the guest is what it stops.
    """
    users = odoo.users if odoo is not None else ()
    by_user = Counter(h.backend.user for h in sessions.held)
    by_database = Counter(h.backend.database for h in sessions.held)
    cap = slots.usable if slots is not None else None
    for role in roles.roles:
        if role.connection_limit >= 0 and not role.superuser and role.can_login:
            needed = _typical(role, users, demand)
            change = AlterRole(role.name, connection_limit=_raised(by_user[role.name], needed, cap))
            found = (f"role {role.name}", role.connection_limit, by_user[role.name], needed, change)
            yield from _judge(*found, role.name in users, f"{roles.source}.rolconnlimit", sessions, cap)
    for database in databases.databases:
        name, limit = database.name, database.connection_limit
        if limit == INVALID_DATABASE:
            yield _half_dropped(name, databases)
        elif limit >= 0 and database.allows_connections and not database.is_template:
            ours = name == MAINTENANCE_DATABASE or database.owner in users or name in _pinned(odoo)
            alter = AlterDatabase(name, connection_limit=_raised(by_database[name], None, cap))
            count = by_database[name]
            source = f"{databases.source}.datconnlimit"
            yield from _judge(f"database {name}", limit, count, None, alter, ours, source, sessions, cap)


def _typical(role: Role, users: tuple[str, ...], demand: InstallationDemand | None) -> int | None:
    """What Odoo ordinarily takes with this role; None where several roles share it or nobody knows."""
    if demand is None or users != (role.name,):
        return None
    return max(0, demand.figures.typical - (demand.others or 0))


def _pinned(odoo: Odoo | None) -> frozenset[str]:
    instances = odoo.instances if odoo is not None else ()
    return frozenset(name for instance in instances for name in instance.pinned_databases)


def _raised(count: int, needed: int | None, cap: int | None) -> int:
    """Twice what is taken or needed, within the usable slots; -1 where only no limit at all gives that room."""
    wanted = ceil(ROOM * max(count, needed or 0, 5))
    return -1 if cap is not None and wanted >= cap else wanted


def _judge(
    subject: str,
    limit: int,
    count: int,
    needed: int | None,
    change: AlterRole | AlterDatabase,
    ours: bool,
    source: str,
    sessions: Sessions,
    cap: int | None,
) -> Iterator[Finding]:
    if (cap is not None and limit >= cap) or (limit == 0 and not ours):
        return
    reached, near = count >= limit, count >= NEAR_RATIO * limit
    below = needed is not None and limit < needed
    if not (reached or near or below):
        return
    if reached:
        message = f"{subject} has {count} sessions and a CONNECTION LIMIT of {limit}: the next login is refused"
    elif below:
        message = f"{subject} may have {limit} sessions, but Odoo ordinarily needs {needed}"
    else:
        message = f"{subject} has {count} of the {limit} sessions that its CONNECTION LIMIT allows"
    evidence: list[Evidence] = [cite("connection limit", limit, source), cite("sessions", count, sessions.source)]
    if needed is not None:
        evidence.append(cite("typical demand", needed, "model (capacity)"))
    severity = Severity.CRITICAL if reached and ours else Severity.WARNING if ours else Severity.INFO
    steps: tuple[Change, ...] = (change,)
    if not ours:
        text = f"ask whose {subject} is before raising its limit: it may be meant to stop exactly this client"
        steps = (Manual(text), change)
    value = change.connection_limit
    summary = f"raise the limit of {subject} to {value}" if value != -1 else f"take the limit of {subject} away"
    yield Finding(message, tuple(evidence), Fix(summary, steps), subject=subject, severity=severity)


def _half_dropped(name: str, databases: Databases) -> Finding:
    text = f'DROP DATABASE "{name}" once more; nothing else can be done with it'
    return Finding(
        f"database {name} is invalid: a DROP DATABASE was interrupted, and nobody can connect to it any more",
        (cite("connection limit", INVALID_DATABASE, f"{databases.source}.datconnlimit"),),
        Fix("drop it again", (Manual(text),), "restore it from a backup first if it was not meant to go"),
        subject=f"database {name}",
    )
