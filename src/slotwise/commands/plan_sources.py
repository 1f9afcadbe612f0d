"""Where a plan can start from: a snapshot or a fleet file, told apart by what the file holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from slotwise.capacity.deployment import Deployment, OdooHost, PostgresServer, grouped
from slotwise.capacity.from_snapshot import InstallationDemand, installation_demand
from slotwise.capacity.installation_supply import server_of
from slotwise.capacity.managed import Catalogue
from slotwise.capacity.planner import Terms
from slotwise.collectors.saved_snapshot import read_snapshot
from slotwise.commands.plan_fleet import read_fleet
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.processes import Host

HEAD_BYTES = 4096
_FLEET_SECTIONS = re.compile(rb'^\s*\{\s*"(hosts|servers|workload|headroom)"')

Read = tuple[Deployment, Terms, str, tuple[str, ...]]


def read_subject(path: Path, catalogue: Callable[[], Catalogue]) -> Read:
    """The deployment in ``path``, its terms, its name and what was assumed. Raises OperatorError naming the file.

    A JSON document that begins with neither ``hosts`` nor ``servers`` is a snapshot or a recording.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror or error}", "give a snapshot or a fleet file") from error
    if head.lstrip()[:1] == b"{" and not _FLEET_SECTIONS.search(head):
        return deployment_of(read_snapshot(str(path)), f"snapshot {path.name}")
    deployment, terms = read_fleet(path, catalogue())
    deployment = replace(deployment, hosts=grouped(deployment.hosts))
    return deployment, terms, f"fleet {path.name}", ()


def deployment_of(snapshot: Snapshot, name: str) -> Read:
    """The installation that was observed. Raises OperatorError when its demand or its server could not be read."""
    seen = installation_demand(snapshot)
    if isinstance(seen, Unavailable):
        raise OperatorError(f"{name}: the demand is unknown, {seen.source}: {seen.reason}", seen.remedy)
    server = server_of(snapshot)
    if isinstance(server, Unavailable):
        raise OperatorError(f"{name}: the slots are unknown, {server.source}: {server.reason}", server.remedy)
    machine = snapshot.machine
    if isinstance(machine, Host):
        server = replace(server, cores=max(1, int(machine.cores)), shared_with_odoo=True)
    server = replace(server, other=seen.others or 0)
    assumed = [f"{planned.instance}: {planned.basis}" for planned in seen.instances if not planned.certain]
    if seen.others is None:
        assumed.append("sessions could not be seen, so others than Odoo's are not counted (--other)")
    return Deployment(hosts=_hosts(seen), servers=_servers(seen, server)), Terms(), name, tuple(assumed)


def _hosts(seen: InstallationDemand) -> tuple[OdooHost, ...]:
    return tuple(planned.likely for planned in seen.instances)


def _servers(seen: InstallationDemand, server: PostgresServer) -> tuple[PostgresServer, ...]:
    """The server that was looked at, and one without known slots for a replica elsewhere."""
    names = {host.replica_server for host in _hosts(seen)} - {None, server.name}
    return (server, *(PostgresServer(name=name) for name in sorted(filter(None, names))))
