"""Where Odoo logs in: the pairs of role and database whose settings decide what its sessions get."""

from __future__ import annotations

from msgspec import Struct

from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Databases
from slotwise.snapshot.session_kinds import NEVER_POOLED


class Target(Struct, frozen=True):
    """One role of Odoo and the application databases that it uses, as far as they are known (db_name, ownership, or
    sessions that are seen there)."""

    role: str
    databases: tuple[str, ...]


def odoo_targets(odoo: Odoo, databases: Databases | None, sessions: Sessions | None) -> tuple[Target, ...]:
    """Every role of Odoo with its databases, in alphabetical order of the databases."""
    found: list[Target] = []
    for role in odoo.users:
        names: set[str] = set()
        for instance in odoo.instances:
            if instance.value("db_user") == role:
                names |= set(instance.pinned_databases)
        for database in databases.databases if databases is not None else ():
            if database.owner == role and not database.is_template:
                names.add(database.name)
        for held in sessions.held if sessions is not None else ():
            if held.backend.user == role and held.backend.database is not None:
                names.add(held.backend.database)
        found.append(Target(role, tuple(sorted(names - NEVER_POOLED))))
    return tuple(found)
