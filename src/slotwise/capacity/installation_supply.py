"""The slots that the observed server offers to Odoo's role, in the model's terms."""

from __future__ import annotations

from slotwise.capacity.deployment import PostgresServer
from slotwise.capacity.planned_instance import PRIMARY
from slotwise.capacity.slots import odoo_roles
from slotwise.capacity.supply import Supply, supply
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Roles, Server, Setting, Settings
from slotwise.snapshot.processes import Host


def server_of(snapshot: Snapshot) -> PostgresServer | Unavailable:
    """The server as far as it bounds connections. Unavailable where max_connections or the reserve was not read."""
    if isinstance(snapshot.settings, Unavailable):
        return snapshot.settings
    settings = snapshot.settings
    role = next(iter(odoo_roles(snapshot)), None)
    known = snapshot.roles.find(role) if isinstance(snapshot.roles, Roles) and role is not None else None
    server = snapshot.server if isinstance(snapshot.server, Server) else None
    machine = snapshot.machine if isinstance(snapshot.machine, Host) else None
    try:
        return PostgresServer(
            name=PRIMARY,
            major_version=server.major if server is not None else None,
            max_connections=settings.integer("max_connections"),
            superuser_reserved_connections=settings.integer("superuser_reserved_connections"),
            reserved_connections=_optional(settings, "reserved_connections"),
            max_connections_next=_next(settings, "max_connections"),
            superuser_reserved_connections_next=_next(settings, "superuser_reserved_connections"),
            reserved_connections_next=_next(settings, "reserved_connections"),
            provider_reserved=_optional(settings, "rds.rds_superuser_reserved_connections"),
            role_is_superuser=known is not None and known.superuser,
            role_may_use_reserved=known is not None and bool(known.reserved),
            role_connection_limit=known.connection_limit if known is not None else None,
            ram_bytes=machine.memory_bytes if machine is not None else None,
        )
    except MissingEvidence as missing:
        return missing.gap


def installation_supply(snapshot: Snapshot) -> Supply | Unavailable:
    """The slots for Odoo's role on the server that was looked at."""
    server = server_of(snapshot)
    return server if isinstance(server, Unavailable) else supply(server)


def _optional(settings: Settings, name: str) -> int:
    """A setting that older servers do not have: there it is 0, because nothing is reserved by it."""
    return settings.integer(name) if settings.find(name) is not None else 0


def _next(settings: Settings, name: str) -> int | None:
    found: Setting | None = settings.find(name)
    text = found.next_start if found is not None else None
    return int(text) if text is not None and text.isdigit() else None
