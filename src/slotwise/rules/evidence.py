"""The kinds of evidence a rule can ask for, each with the function that finds it in a Snapshot."""

from __future__ import annotations

from collections.abc import Callable

from slotwise.capacity.from_snapshot import InstallationDemand, installation_demand
from slotwise.capacity.installation_supply import installation_supply
from slotwise.capacity.routes import Routes, routes
from slotwise.capacity.slots import Slots, slots
from slotwise.capacity.supply import Supply
from slotwise.findings import Evidence
from slotwise.snapshot.evidence import Part
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.postgres import Activity, Databases, Locks, Overrides, Roles, Server, Setting, Settings, Titles
from slotwise.snapshot.processes import Host, Memory, Processes, ServerProcesses, Sockets
from slotwise.snapshot.refusals import Refusals
from slotwise.snapshot.sessions import sessions


class Clock(Part, frozen=True):
    """The moment of the snapshot, epoch seconds. A rule never asks the machine for the time."""

    taken_at: float

    def age_seconds(self, since: float | None) -> float | None:
        """Seconds from ``since`` to the snapshot, never below 0; None where ``since`` is not known."""
        return None if since is None else max(0.0, self.taken_at - since)


EVIDENCE: dict[type, Callable[[Snapshot], object]] = {
    Server: lambda s: s.server,
    Activity: lambda s: s.activity,
    Titles: lambda s: s.titles,
    Settings: lambda s: s.settings,
    Roles: lambda s: s.roles,
    Databases: lambda s: s.databases,
    Overrides: lambda s: s.overrides,
    Locks: lambda s: s.locks,
    Processes: lambda s: s.processes,
    ServerProcesses: lambda s: s.server_processes,
    Sockets: lambda s: s.sockets,
    Memory: lambda s: s.memory,
    Host: lambda s: s.machine,
    Odoo: lambda s: s.odoo,
    PgBouncers: lambda s: s.pgbouncers,
    Refusals: lambda s: s.refusals,
    Sessions: sessions,
    Slots: slots,
    Routes: routes,
    InstallationDemand: installation_demand,
    Supply: installation_supply,
    Clock: lambda s: Clock(s.taken_at),
}


def cite(name: str, value: str | int | float | bool | None, source: str) -> Evidence:
    """One value of a finding with where it was read; floats are rounded so that outputs stay readable."""
    return Evidence(name, round(value, 3) if isinstance(value, float) else value, source)


def cite_setting(setting: Setting) -> Evidence:
    """A setting as evidence: its value with its unit, and where PostgreSQL took it from."""
    value = f"{setting.value} ({setting.unit})" if setting.unit else setting.value
    return Evidence(setting.name, value, f"{setting.read_from}, source {setting.source}")


def cite_option(instance: OdooInstance, name: str) -> Evidence:
    """An Odoo option as evidence, with the place that set it."""
    option = instance.option(name)
    if option is None:
        return Evidence(name, None, f"not set for {instance.id}")
    return Evidence(name, option.value, option.source)
