"""SW207 foreign-consumers."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.slots import Slots
from slotwise.findings import AlterRole, Change, Finding, Fix, Manual, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite
from slotwise.snapshot.holders import POOLER_NAME, client_words
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Held, Sessions
from slotwise.snapshot.postgres import Roles
from slotwise.snapshot.session_kinds import has_odoo_name

SHARE = 0.10
LARGE_SHARE = 0.25
FEWEST = 4
GROUP = 2
"""A single session of a monitor, a backup or a person is none of ours."""
NAMED = 4


@rule("SW207", Severity.WARNING)
def foreign_consumers(sessions: Sessions, slots: Slots, odoo: Odoo, roles: Roles | None) -> Iterator[Finding]:
    """Clients that are not Odoo hold a notable share of the connection slots.

    **Why it matters.** max_connections is shared by the whole server: what pgAdmin, BI tools, exporters and scripts
    keep open is missing when Odoo's workers need it, and nobody counted it when the limits were set.

    **Evidence.** Sessions whose process is no Odoo process and no pooler, or whose client is elsewhere and neither
    carries Odoo's name nor logs in as Odoo's role; grouped by client. Single sessions are not counted. Together a tenth
    of the usable slots and at least four; a quarter is a warning.

    **Fix.** Give such clients roles of their own with a CONNECTION LIMIT: it refuses only new sessions and ends none.

    **When to ignore it.** When the server was sized for all of them together.
    """
    groups: dict[tuple[str | None, str | None, str | None], list[Held]] = {}
    for held in sessions.held:
        if _is_foreign(held, odoo.users):
            backend = held.backend
            key = (held.owner.name or backend.application_name, backend.user, backend.client_addr)
            groups.setdefault(key, []).append(held)
    crowds = sorted((g for g in groups.values() if len(g) >= GROUP), key=len, reverse=True)
    crowds = [g for g in crowds if not _bounded(g, roles, slots)]
    total = sum(len(g) for g in crowds)
    if total < FEWEST or slots.usable <= 0 or total < SHARE * slots.usable:
        return
    named = ", ".join(f"{_words(g)} ({len(g)})" for g in crowds[:NAMED])
    yield Finding(
        f"{total} of {slots.usable} usable slots ({total / slots.usable:.0%}) are held by clients that are not Odoo:"
        f" {named}",
        (
            cite("sessions that are not Odoo's", total, sessions.source),
            cite("usable", slots.usable, slots.source),
            *(cite(_words(g), len(g), sessions.source) for g in crowds[:NAMED]),
        ),
        _fix(crowds, roles, slots, odoo),
        severity=Severity.WARNING if total >= LARGE_SHARE * slots.usable else Severity.INFO,
    )


def _is_foreign(held: Held, users: tuple[str, ...]) -> bool:
    backend, owner = held.backend, held.owner
    if owner.certainty == "orphan" or owner.name == POOLER_NAME or owner.behind is not None:
        return False
    if owner.certainty == "known":
        return owner.role == "unknown" and not has_odoo_name(backend)
    hidden = backend.masked or backend.application_name is None
    return not has_odoo_name(backend) and backend.user is not None and backend.user not in users and not hidden


def _words(group: list[Held]) -> str:
    owner = group[0].owner
    return f"{owner.name} of role {group[0].backend.user}" if owner.name else client_words(group[0].backend)


def _limit_for(slots: Slots, crowds: int) -> int:
    return max(1, int(SHARE * slots.usable) // max(1, crowds))


def _bounded(group: list[Held], roles: Roles | None, slots: Slots) -> bool:
    """Whether a limit keeps this client's role within a tenth of the usable slots already."""
    role = roles.find(group[0].backend.user or "") if roles is not None else None
    if role is None or role.superuser or role.connection_limit < 0:
        return False
    return role.connection_limit <= _limit_for(slots, 1)


def _fix(crowds: list[list[Held]], roles: Roles | None, slots: Slots, odoo: Odoo) -> Fix:
    limit = _limit_for(slots, len(crowds))
    changes: list[Change] = []
    for group in crowds:
        user = group[0].backend.user
        role = roles.find(user) if roles is not None and user is not None else None
        if role is None or role.superuser or role.name in odoo.users:
            changes.append(Manual(f"give {_words(group)} a role of its own without superuser rights, then limit it"))
        else:
            changes.append(AlterRole(role.name, connection_limit=limit))
    return Fix(
        f"limit each of these clients to {limit} sessions by its role, and close what they do not use",
        tuple(dict.fromkeys(changes)),
        "a limited client is refused beyond its limit: tell its users first",
    )
