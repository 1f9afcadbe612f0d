"""What this host shows without any connection, in one value: the side of a collection that always answers."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from slotwise.collectors.discovery import Client, Surroundings
from slotwise.collectors.earlier_look import EarlierLook
from slotwise.snapshot.evidence import SourceReport, Unavailable
from slotwise.snapshot.model import not_collected
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.postgres import Settings, Titles
from slotwise.snapshot.processes import Host, Memory, Processes, ServerProcesses, Sockets
from slotwise.snapshot.refusals import Refusals


class HostEvidence(Struct, frozen=True, kw_only=True):
    """The host's parts of a Snapshot, and what discovery needs and a Snapshot must not hold.

    ``titles`` and ``settings`` are by postmaster pid: which server counts is known only after discovery.
    """

    processes: Processes | Unavailable = not_collected("/proc")
    server_processes: ServerProcesses | Unavailable = not_collected("PostgreSQL processes")
    sockets: Sockets | Unavailable = not_collected("sockets")
    memory: Memory | Unavailable = not_collected("smaps_rollup")
    machine: Host | Unavailable = not_collected("host")
    odoo: Odoo | Unavailable = not_collected("Odoo configuration")
    refusals: Refusals | Unavailable = not_collected("refusals")
    titles: Mapping[int, Titles] = field(default_factory=dict)
    settings: Mapping[int, Settings] = field(default_factory=dict)
    clients: tuple[Client, ...] = ()
    surroundings: Surroundings = Surroundings()
    reports: tuple[SourceReport, ...] = ()
    earlier: EarlierLook = EarlierLook()
    """What the next look may take over."""
