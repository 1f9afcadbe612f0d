"""How many slots are taken of how many that Odoo's role may take: the observed side of the model.

A role without privileges may connect while, after taking a slot, at least superuser_reserved_connections (and, since
PostgreSQL 16, reserved_connections) stay free (src/backend/utils/init/postinit.c, InitPostgres, 12 to 18). The
reserve is the last N free slots and not N dedicated ones: sessions of superusers count against everyone.
"""

from __future__ import annotations

from slotwise.snapshot.evidence import MissingEvidence, Part, Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Roles, Settings
from slotwise.snapshot.sessions import sessions


class Slots(Part, frozen=True):
    """Connection slots, in connections. ``usable`` is what Odoo's role may take, ``reserved`` what is kept from it.

    ``used`` counts every client session, slotwise's own too while it looks: it holds a slot like any other. It is
    None where some rows could not be classified, and then ``used_at_least`` is what is certain. ``own`` is how many
    are slotwise's. ``role`` is the role that ``usable`` was computed for, None: an ordinary one.
    """

    max_connections: int
    reserved: int
    usable: int
    used: int | None
    used_at_least: int
    role: str | None
    source: str
    own: int = 0

    @property
    def free(self) -> int | None:
        """Slots that Odoo's role can still take, never below 0; None where ``used`` is not known."""
        return None if self.used is None else max(0, self.usable - self.used)

    @property
    def utilization_ratio(self) -> float | None:
        """used / usable; None where ``used`` is not known or nothing is usable."""
        return None if self.used is None or self.usable <= 0 else self.used / self.usable


SATURATED_RATIO = 0.95


def is_saturated(slots: Slots, sessions: Sessions) -> bool:
    """Whether 95 % of the usable slots or more are taken.

    Raises MissingEvidence where rows that could not be classified decide it.
    """
    if slots.usable <= 0 or slots.used_at_least >= SATURATED_RATIO * slots.usable:
        return True
    if slots.used_at_least + sessions.unclassified >= SATURATED_RATIO * slots.usable:
        reason = f"{sessions.unclassified} rows may be client sessions or background workers"
        raise MissingEvidence(Unavailable(sessions.source, reason, "GRANT pg_monitor to the role of slotwise"))
    return False


def odoo_roles(snapshot: Snapshot) -> tuple[str, ...]:
    """The PostgreSQL roles that the Odoo instances connect as, without repeats, in the order of the instances."""
    if not isinstance(snapshot.odoo, Odoo):
        return ()
    named = (instance.value("db_user") for instance in snapshot.odoo.instances)
    return tuple(dict.fromkeys(user for user in named if isinstance(user, str) and user))


def reserved_slots(settings: Settings, roles: Roles | None, role: str | None) -> int:
    """Slots that ``role`` cannot take. Raises MissingEvidence where superuser_reserved_connections was not read.

    reserved_connections exists since PostgreSQL 16; a server that does not show it is older and reserves nothing by it.
    """
    known = roles.find(role) if roles is not None and role is not None else None
    if known is not None and known.superuser:
        return 0
    superuser_reserved = settings.integer("superuser_reserved_connections")
    if settings.find("reserved_connections") is None or (known is not None and known.reserved):
        return superuser_reserved
    return superuser_reserved + settings.integer("reserved_connections")


def slots(snapshot: Snapshot, seen: Sessions | Unavailable | None = None) -> Slots | Unavailable:
    """The slots of the server, seen from Odoo's role. Unavailable where sessions or settings could not be read.

    ``seen`` are the snapshot's sessions where they were derived already."""
    if isinstance(snapshot.settings, Unavailable):
        return snapshot.settings
    seen = sessions(snapshot) if seen is None else seen
    if isinstance(seen, Unavailable):
        return seen
    roles = snapshot.roles if isinstance(snapshot.roles, Roles) else None
    role = next(iter(odoo_roles(snapshot)), None)
    try:
        maximum = snapshot.settings.integer("max_connections")
        reserved = reserved_slots(snapshot.settings, roles, role)
    except MissingEvidence as missing:
        return missing.gap
    return slots_of(maximum, reserved, seen, role, f"{snapshot.settings.source}, {seen.source}")


def slots_of(maximum: int, reserved: int, seen: Sessions, role: str | None, source: str) -> Slots:
    """The slots for given limits and sessions."""
    certain = len(seen.held) + seen.own
    return Slots(
        maximum, reserved, maximum - reserved, certain if seen.exact else None, certain, role, source, seen.own
    )
