"""ALTER ROLE and ALTER DATABASE with the statement that brings the former value back exactly."""

from __future__ import annotations

from slotwise.findings import AlterDatabase, AlterRole
from slotwise.fixes.remedy import Refused, Remedy, RunSql
from slotwise.fixes.requested import Requested, told
from slotwise.fixes.sql_text import literal, statements
from slotwise.snapshot.postgres import Databases, Overrides, Roles


def role_remedy(
    requests: tuple[Requested, ...],
    roles: Roles | None,
    databases: Databases | None,
    overrides: Overrides | None,
    address: str,
) -> tuple[Remedy | None, tuple[str, ...]]:
    """One remedy with every statement, and notes for what cannot be undone because the former value is not known."""
    steps: list[RunSql] = []
    made: list[Requested] = []
    notes: list[str] = []
    for one in requests:
        if not isinstance(one.change, (AlterRole, AlterDatabase)):
            continue
        found = _steps(one.change, roles, databases, overrides)
        if found is None:
            notes.append(f"run {'; '.join(statements(one.change))}: the former value could not be read here")
            continue
        changed = [step for step in found if step.before != step.after]
        steps += changed
        if changed:
            made.append(one)
    if not steps:
        return None, tuple(notes)
    reasons, risks, rules = told(made)
    remedy = Remedy(
        target=f"roles and databases of {address}",
        title="settings of roles and databases",
        reasons=reasons,
        risks=risks,
        rules=rules,
        activation="login",
        stops="a session keeps what its login gave it: restart Odoo (behind PgBouncer: RECONNECT) for all of them",
        steps=tuple(steps),
    )
    return remedy, tuple(notes)


def refused_demotions(
    requests: tuple[Requested, ...], strange_objects: dict[str, str | None]
) -> tuple[tuple[Requested, ...], tuple[Refused, ...]]:
    """The requests without those that take the superuser attribute from a role that needs it for its own tables, and
    these as refusals. A superuser may use what belongs to others, for instance after a restore as ``postgres``."""
    kept: list[Requested] = []
    refused: list[Refused] = []
    for one in requests:
        change = one.change
        words = strange_objects.get(change.role) if isinstance(change, AlterRole) else ""
        if not isinstance(change, AlterRole) or change.superuser is not False or words == "":
            kept.append(one)
            continue
        why = words or "whether all tables of Odoo's databases belong to it could not be read"
        refused.append(
            Refused(
                f"superuser attribute of {change.role}",
                f"{why}: without the attribute Odoo would read `permission denied`",
                f"make {change.role} their owner (ALTER TABLE … OWNER TO, in each database), then run fix again",
            )
        )
    return tuple(kept), tuple(refused)


def _steps(
    change: AlterRole | AlterDatabase, roles: Roles | None, databases: Databases | None, overrides: Overrides | None
) -> tuple[RunSql, ...] | None:
    if isinstance(change, AlterRole):
        return _role_steps(change, roles, overrides)
    steps: list[RunSql] = []
    if change.connection_limit is not None:
        known = next((d for d in databases.databases if d.name == change.database), None) if databases else None
        if known is None:
            return None
        limit = AlterDatabase(change.database, connection_limit=change.connection_limit)
        back = AlterDatabase(change.database, connection_limit=known.connection_limit)
        probe = f"SELECT datconnlimit::text FROM pg_catalog.pg_database WHERE datname = {literal(change.database)}"
        steps.append(_pair(limit, back, probe, str(known.connection_limit), str(change.connection_limit)))
    if change.set_name is not None:
        if overrides is None:
            return None
        now = _override(overrides, None, change.database, change.set_name)
        do = AlterDatabase(change.database, set_name=change.set_name, set_value=change.set_value)
        back = AlterDatabase(change.database, set_name=change.set_name, set_value=now)
        steps.append(_pair(do, back, _probe(None, change.database, change.set_name), now, change.set_value))
    return tuple(steps)


def _role_steps(change: AlterRole, roles: Roles | None, overrides: Overrides | None) -> tuple[RunSql, ...] | None:
    known = roles.find(change.role) if roles is not None else None
    if known is None:
        return None
    name = literal(change.role)
    steps: list[RunSql] = []
    if change.connection_limit is not None:
        steps.append(
            _pair(
                AlterRole(change.role, connection_limit=change.connection_limit),
                AlterRole(change.role, connection_limit=known.connection_limit),
                f"SELECT rolconnlimit::text FROM pg_catalog.pg_roles WHERE rolname = {name}",
                str(known.connection_limit),
                str(change.connection_limit),
            )
        )
    if change.superuser is not None:
        steps.append(
            _pair(
                AlterRole(change.role, superuser=change.superuser),
                AlterRole(change.role, superuser=known.superuser),
                f"SELECT rolsuper::text FROM pg_catalog.pg_roles WHERE rolname = {name}",
                _boolean(known.superuser),
                _boolean(change.superuser),
            )
        )
    if change.set_name is not None:
        if overrides is None:
            return None
        now = _override(overrides, change.role, change.database, change.set_name)
        do = AlterRole(change.role, set_name=change.set_name, set_value=change.set_value, database=change.database)
        back = AlterRole(change.role, set_name=change.set_name, set_value=now, database=change.database)
        steps.append(_pair(do, back, _probe(change.role, change.database, change.set_name), now, change.set_value))
    return tuple(steps)


def _pair(
    do: AlterRole | AlterDatabase, back: AlterRole | AlterDatabase, probe: str, before: str | None, after: str | None
) -> RunSql:
    (forward,), (backward,) = statements(do), statements(back)
    return RunSql(forward, backward, probe, before, after)


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _override(overrides: Overrides, role: str | None, database: str | None, name: str) -> str | None:
    for one in overrides.overrides:
        if (one.role, one.database, one.name) == (role, database, name):
            return one.value
    return None


def _probe(role: str | None, database: str | None, name: str) -> str:
    """The stored text of one override; no row where there is none (pg_db_role_setting, setconfig ``name=value``)."""
    of_role = f"(SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {literal(role)})" if role is not None else "0"
    of_database = (
        f"(SELECT oid FROM pg_catalog.pg_database WHERE datname = {literal(database)})" if database is not None else "0"
    )
    return (
        "SELECT substr(entry, length(split_part(entry, '=', 1)) + 2) FROM pg_catalog.pg_db_role_setting,"
        f" unnest(setconfig) AS entry WHERE setrole = {of_role} AND setdatabase = {of_database}"
        f" AND split_part(entry, '=', 1) = {literal(name)}"
    )
