"""SW111 odoo-role-superuser."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import AlterRole, Change, Finding, Fix, Manual, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite, cite_option
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Databases, Role, Roles


@rule("SW111", Severity.WARNING)
def odoo_role_superuser(
    odoo: Odoo, roles: Roles, sessions: Sessions | None, databases: Databases | None
) -> Iterator[Finding]:
    """Odoo logs in as a superuser, so it can take the slots that are reserved for the administrator.

    **Why it matters.** PostgreSQL keeps the last `superuser_reserved_connections` slots for superusers. An Odoo that is
    one takes them as well: at saturation nobody can log in to look, and the message becomes `sorry, too many clients
    already` instead of `remaining connection slots are reserved`. Neither role nor database connection limits hold it
    back (src/backend/utils/init/postinit.c, miscinit.c), and whoever breaks into Odoo owns the server.

    **Evidence.** pg_roles.rolsuper of the role in `db_user`, or of the role that Odoo's processes hold sessions as. The
    usual source is docker compose's POSTGRES_USER, which makes the first role a superuser.

    **Fix.** `ALTER ROLE … NOSUPERUSER CREATEDB` where another superuser can log in and the role is not the one that the
    cluster was made with; otherwise a new role without the attribute, which takes over the databases.

    **When to ignore it.** On a development machine.
    """
    names = _logins(odoo, sessions)
    if not names:
        gap = Unavailable(
            "role of Odoo", "neither db_user nor a session shows it", "set db_user, or run doctor as root"
        )
        raise MissingEvidence(gap)
    unseen: str | None = None
    for name, source in names.items():
        role = roles.find(name)
        if role is None:
            unseen = name
        elif role.superuser:
            yield Finding(
                f"role {name} is a superuser: it may take the reserved slots too, and no connection limit holds it",
                (
                    cite("role", name, source),
                    cite("superuser", True, roles.source),
                    *(cite_option(i, "db_user") for i in odoo.instances if i.value("db_user") == name),
                ),
                _demote(role, roles, databases),
                subject=f"role {name}",
            )
    if unseen is not None:
        remedy = "run doctor against the server that Odoo uses"
        raise MissingEvidence(Unavailable(f"role {unseen}", f"it is not in {roles.source}", remedy))


def _logins(odoo: Odoo, sessions: Sessions | None) -> dict[str, str]:
    """Role -> where it was read."""
    found: dict[str, str] = {}
    for instance in odoo.instances:
        user = instance.value("db_user")
        option = instance.option("db_user")
        if isinstance(user, str) and user and option is not None:
            found.setdefault(user, option.source)
            continue
        for held in sessions.held if sessions is not None else ():
            if held.owner.instance == instance.id and held.backend.user:
                found.setdefault(held.backend.user, f"sessions of {instance.id}")
    return found


def _demote(role: Role, roles: Roles, databases: Databases | None) -> Fix:
    """Taking the attribute from the only superuser, or from the one that owns the templates, would lock everybody
    out."""
    others = [r.name for r in roles.roles if r.superuser and r.can_login and r.name != role.name]
    owned = {d.owner for d in databases.databases if d.is_template or d.name == "postgres"} if databases else {None}
    if others and owned and owned.isdisjoint({role.name, None}):
        changes: tuple[Change, ...] = (
            AlterRole(role.name, superuser=False),
            Manual(f"ALTER ROLE {role.name} CREATEDB if databases are made or copied from Odoo's database manager"),
        )
        risk = "an addon that creates untrusted extensions or reads server files needs the administrator afterwards"
        return Fix(f"take the superuser attribute from {role.name}; {others[0]} remains one", changes, risk)
    why = "it made the cluster, or that cannot be ruled out" if others else "no other superuser can log in"
    step = Manual(
        "create a role without SUPERUSER (CREATE ROLE odoo_app LOGIN CREATEDB), make it the owner of the application"
        " databases and of the objects in them, then set db_user"
    )
    return Fix(f"give Odoo a role of its own; {role.name} must stay a superuser: {why}", (step,))
