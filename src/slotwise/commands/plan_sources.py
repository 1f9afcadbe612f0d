"""Where a plan can start from: a snapshot or a fleet file, told apart by what the file holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from slotwise.capacity.calibration import calibrate, measured_by_process, measured_workload
from slotwise.capacity.deployment import Deployment, OdooHost, PostgresServer, grouped
from slotwise.capacity.from_snapshot import InstallationDemand, installation_demand
from slotwise.capacity.installation_supply import server_of
from slotwise.capacity.managed import Catalogue
from slotwise.capacity.pgbouncer_pools import PgBouncerPools
from slotwise.capacity.plan import Calibration
from slotwise.capacity.planner import Terms
from slotwise.capacity.pools import mode_of, number, pool_size
from slotwise.collectors.saved_snapshot import read_snapshot
from slotwise.commands.plan_fleet import read_fleet
from slotwise.commands.plan_odoo_conf import is_odoo_conf, subject_of_odoo_conf
from slotwise.commands.plan_subject import Subject
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.processes import Host, ServerProcesses
from slotwise.snapshot.session_kinds import MAINTENANCE_DATABASE

HEAD_BYTES = 65536
_FLEET_SECTIONS = re.compile(rb'^\s*\{\s*"(hosts|servers|workload|headroom)"')


def read_subject(
    path: Path, catalogue: Callable[[], Catalogue], lower: bool = False, version: int | None = None
) -> Subject:
    """What ``path`` describes. Raises OperatorError naming the file.

    A JSON document that begins with neither ``hosts`` nor ``servers`` is a snapshot or a recording. ``lower``: measured
    figures count where they are below the model's too. ``version`` is the Odoo that an odoo.conf is for.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror or error}", "give a snapshot or a fleet file") from error
    if is_odoo_conf(head):
        return subject_of_odoo_conf(path, version)
    if head.lstrip()[:1] == b"{" and not _FLEET_SECTIONS.search(head):
        return subject_of(read_snapshot(str(path)), f"snapshot {path.name}", lower)
    deployment, terms = read_fleet(path, catalogue())
    return Subject(
        name=f"fleet {path.name}",
        deployment=replace(deployment, hosts=grouped(deployment.hosts)),
        terms=terms,
    )


def subject_of(snapshot: Snapshot, name: str, lower: bool = False) -> Subject:
    """The installation that was observed. Raises OperatorError when its demand or its server could not be read."""
    seen = installation_demand(snapshot)
    if isinstance(seen, Unavailable):
        raise OperatorError(f"{name}: the demand is unknown, {seen.source}: {seen.reason}", seen.remedy)
    server = server_of(snapshot)
    if isinstance(server, Unavailable):
        raise OperatorError(f"{name}: the slots are unknown, {server.source}: {server.reason}", server.remedy)
    assumed = [f"{planned.instance}: {planned.basis}" for planned in seen.instances if not planned.certain]
    if seen.others is None:
        assumed.append("sessions could not be seen, so others than Odoo's are not counted (--other)")
    pools, said = observed_pools(snapshot, seen)
    hosts, calibrations = _calibrated(snapshot, seen, lower)
    workload, times = measured_workload(snapshot)
    server = replace(_on_its_machine(server, snapshot), other=seen.others or 0, pgbouncer=pools)
    return Subject(
        name=name,
        deployment=Deployment(hosts=hosts, servers=_servers(hosts, server)),
        terms=Terms() if workload is None else Terms(workload=workload),
        assumed=(*assumed, *said),
        calibrations=(*calibrations, *times),
    )


def _on_its_machine(server: PostgresServer, snapshot: Snapshot) -> PostgresServer:
    """Cores, and that Odoo shares the machine, where the server's own machine was looked at."""
    machine = snapshot.machine
    if not isinstance(machine, Host):
        return server
    cores = max(1, int(machine.cores))
    seen = snapshot.server_processes
    here = isinstance(seen, ServerProcesses) and seen.chosen is not None
    return replace(server, cores=cores, shared_with_odoo=True) if here else replace(server, ram_bytes=None)


def _calibrated(
    snapshot: Snapshot, seen: InstallationDemand, lower: bool
) -> tuple[tuple[OdooHost, ...], tuple[Calibration, ...]]:
    hosts: list[OdooHost] = []
    rows: list[Calibration] = []
    for planned in seen.instances:
        measured = measured_by_process(snapshot, planned.instance) if planned.likely.workers else None
        if measured is None:
            hosts.append(planned.likely)
            continue
        host, shown = calibrate(planned.likely, measured, lower)
        hosts.append(host)
        rows.extend(shown)
    return tuple(hosts), tuple(rows)


def _servers(hosts: tuple[OdooHost, ...], server: PostgresServer) -> tuple[PostgresServer, ...]:
    """The server that was looked at, and one without known slots for a replica elsewhere."""
    names = {host.replica_server for host in hosts} - {None, server.name}
    return (server, *(PostgresServer(name=name) for name in sorted(filter(None, names))))


def observed_pools(snapshot: Snapshot, seen: InstallationDemand) -> tuple[PgBouncerPools | None, tuple[str, ...]]:
    """The pools of the PgBouncer that Odoo goes through, and what cannot be said of them. None when it goes directly.

    Several PgBouncers are taken as one with the sum of their pools, which is what reaches the server.
    """
    addresses = {pool.address for pool in seen.pooled}
    if not addresses or not isinstance(snapshot.pgbouncers, PgBouncers):
        return None, ()
    consoles = [one for one in snapshot.pgbouncers.pgbouncers if one.address in addresses]
    said = []
    if any(mode_of(one, MAINTENANCE_DATABASE) != "session" for one in consoles):
        said.append("database postgres goes through a transaction pool, where LISTEN is lost: run slotwise doctor")
    if seen.direct:
        said.append("some instances connect past PgBouncer; the plan takes all of them as going through it")

    def total(key: str) -> int:
        values = [number(one, key) for one in consoles]
        return sum(values) if all(values) or key.endswith("_size") else 0

    return (
        PgBouncerPools(
            default_pool_size=total("default_pool_size"),
            reserve_pool_size=total("reserve_pool_size"),
            max_db_connections=total("max_db_connections"),
            max_user_connections=total("max_user_connections"),
            postgres_pool_size=sum(pool_size(one, MAINTENANCE_DATABASE) for one in consoles),
        ),
        tuple(said),
    )
