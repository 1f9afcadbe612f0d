"""From changes to remedies: what belongs together, in the order in which it is safe to do."""

from __future__ import annotations

from msgspec import Struct

from slotwise.capacity.pooling import PoolSizing
from slotwise.fixes.ground import Ground
from slotwise.fixes.odoo_conf import odoo_remedies
from slotwise.fixes.pooler import changed_pooler
from slotwise.fixes.remedy import FixPlan, Remedy
from slotwise.fixes.requested import Requested
from slotwise.fixes.role_settings import refused_demotions, role_remedy
from slotwise.fixes.server_settings import server_remedies
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.postgres import Databases, Overrides, Roles, Settings


class Terms(Struct, frozen=True, kw_only=True):
    """What the changes are made from besides the findings. ``users`` are Odoo's roles; ``sizing`` PgBouncer's pools as
    the plan has them; ``more`` remedies that were asked for (a new PgBouncer)."""

    users: tuple[str, ...] = ()
    sizing: PoolSizing | None = None
    standbys_done: bool = False
    more: tuple[Remedy, ...] = ()
    more_notes: tuple[str, ...] = ()


def assemble(requests: tuple[Requested, ...], snapshot: Snapshot, ground: Ground, terms: Terms) -> FixPlan:
    """The server first, then the pooler, then Odoo: each must be there before the next one leans on it."""
    settings = snapshot.settings if isinstance(snapshot.settings, Settings) else None
    odoo = snapshot.odoo if isinstance(snapshot.odoo, Odoo) else Odoo(())
    server, refused, notes = server_remedies(requests, settings, ground, terms.standbys_done)
    address = ground.postgres.address if ground.postgres is not None else "the server"
    strange = ground.postgres.strange_objects if ground.postgres is not None else {}
    bearable, demotions = refused_demotions(requests, strange)
    roles, role_notes = role_remedy(
        bearable,
        snapshot.roles if isinstance(snapshot.roles, Roles) else None,
        snapshot.databases if isinstance(snapshot.databases, Databases) else None,
        snapshot.overrides if isinstance(snapshot.overrides, Overrides) else None,
        address,
    )
    pooler, pooler_notes = changed_pooler(requests, terms.sizing, terms.users, ground)
    files, odoo_notes = odoo_remedies(requests, odoo, ground.odoo_files, ground.odoo_units)
    remedies = (*server, *((roles,) if roles is not None else ()), *pooler, *terms.more, *files)
    every = (*notes, *role_notes, *pooler_notes, *terms.more_notes, *odoo_notes)
    return FixPlan(remedies=remedies, refused=(*refused, *demotions), notes=tuple(dict.fromkeys(every)))
