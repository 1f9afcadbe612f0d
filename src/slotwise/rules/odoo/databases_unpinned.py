"""SW110 databases-unpinned."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.observed import databases_of_role
from slotwise.findings import Change, Finding, Fix, Manual, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite, cite_option
from slotwise.rules.instances import each_instance, set_option
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Databases
from slotwise.snapshot.session_kinds import NEVER_POOLED

SHOWN = 8


@rule("SW110", Severity.WARNING)
def databases_unpinned(odoo: Odoo, databases: Databases, sessions: Sessions | None) -> Iterator[Finding]:
    """db_name is empty, so cron and every worker reach out to each database that Odoo's role owns.

    **Why it matters.** Without `db_name` Odoo serves whatever `list_dbs` returns: all databases of its role. Cron polls
    each of them every minute, `dbfilter` or not; HTTP workers keep connections to each one that was visited in the last
    ten minutes; and every anonymous request opens one more on `postgres` to make the list. A copy restored for a test
    is served, and its scheduled actions run (mails, payments) as if it were production.

    **Evidence.** `db_name` empty and more than one application database owned by Odoo's role (pg_database.datdba, which
    is what odoo/service/db.py asks for). Databases on which this instance holds sessions are named as in use. When
    all of them are in use it is only mentioned: that is a host of many databases by intent.

    **Fix.** `db_name` with the databases that this instance serves, or a role of its own for each instance.

    **When to ignore it.** On a host that serves every database of its role on purpose, new ones included.
    """

    def check(instance: OdooInstance) -> Iterator[Finding]:
        if instance.option("db_name") is None:
            remedy = "run doctor on the Odoo host, or name its file with --config"
            raise MissingEvidence(Unavailable(f"option db_name of {instance.id}", "was not read", remedy))
        if not instance.pinned_databases:
            yield from _unpinned(instance, databases, sessions)

    yield from each_instance(odoo, check)


def _unpinned(instance: OdooInstance, databases: Databases, sessions: Sessions | None) -> Iterator[Finding]:
    used = _in_use(instance, sessions)
    role = _role(instance, sessions)
    owned, sure = databases_of_role(databases, role, instance.value("db_template"))
    known = sorted({*owned, *used}) if sure else used
    if not sure and len(owned) > 1 and len(used) < 2:
        remedy = "let slotwise read pg_database (any role may), or pin db_name"
        reason = f"{len(owned)} databases exist, whose owners were not read"
        raise MissingEvidence(Unavailable(f"databases of role {role or 'unknown'}", reason, remedy))
    if len(known) < 2:
        return
    spare = [name for name in known if name not in used]
    said = f"{len(known)} databases are served" if sure else f"at least {len(known)} databases are served"
    in_use = f", in use now: {_listed(used)}" if used else ""
    yield Finding(
        f"db_name is empty: {said} ({_listed(known)}){in_use}",
        (
            cite_option(instance, "db_name"),
            cite_option(instance, "dbfilter"),
            cite("databases", len(known), databases.source if sure else "sessions of this instance"),
            cite("role", role, "db_user, or the user of its sessions"),
        ),
        _pin(instance, used),
        subject=instance.id,
        severity=Severity.INFO if not spare else None,
    )


def _in_use(instance: OdooInstance, sessions: Sessions | None) -> list[str]:
    held = sessions.held if sessions is not None else ()
    names = {h.backend.database for h in held if h.owner.instance == instance.id and h.backend.database}
    return sorted(names - NEVER_POOLED)


def _role(instance: OdooInstance, sessions: Sessions | None) -> str | None:
    user = instance.value("db_user")
    if isinstance(user, str) and user:
        return user
    users = {h.backend.user for h in (sessions.held if sessions else ()) if h.owner.instance == instance.id}
    return users.pop() if len(users) == 1 else None


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _pin(instance: OdooInstance, used: list[str]) -> Fix:
    risk = "a database that is not listed is no longer served, nor polled by cron; listed ones are loaded at start"
    if not used:
        step: tuple[Change, ...] = (Manual("list in db_name the databases that this instance is meant to serve"),)
        return Fix("set db_name to the databases that this instance is meant to serve", step, risk)
    names = ",".join(used)
    return Fix(f"set db_name = {names} (those in use now; add what else must be served)", _set(instance, names), risk)


def _set(instance: OdooInstance, names: str) -> tuple[Change, ...]:
    return set_option(instance, "db_name", names)
