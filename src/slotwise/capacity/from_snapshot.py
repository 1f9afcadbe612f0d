"""Turns what was observed into the model's nouns: the demand of the installation and the slots that the server offers.

Nothing is guessed: without a version or an option the demand is Unavailable. What ordinary work needs depends on how
many databases a worker serves, so demand comes twice: ``likely``, for the databases that are seen in use, and ``most``,
for all that may come to be served.
"""

from __future__ import annotations

from msgspec import Struct, structs

from slotwise.capacity.demand import Demand, demand
from slotwise.capacity.deployment import Deployment, OdooHost, PostgresServer
from slotwise.capacity.figures import Figures
from slotwise.capacity.observed import other_sessions, role_of
from slotwise.capacity.planned_instance import PRIMARY, PlannedInstance, planned_instance
from slotwise.capacity.pools import PoolBound, bounds_of, mode_of
from slotwise.capacity.routes import routes
from slotwise.snapshot.evidence import MissingEvidence, Part, Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers
from slotwise.snapshot.processes import Processes


class PooledDemand(Struct, frozen=True):
    """What goes through one PgBouncer: the clients that Odoo opens towards it, and what it may open towards PostgreSQL.

    ``likely`` counts the pools of databases seen in use, ``most`` those of every database that Odoo may serve.
    """

    address: str
    instances: tuple[str, ...]
    clients: Demand
    most_clients: Demand
    at_once: Figures
    likely: PoolBound
    most: PoolBound


class InstallationDemand(Part, frozen=True):
    """Connections that the installation takes from PostgreSQL's slots.

    ``likely`` and ``most`` are the model's demand of the instances that connect directly, others' sessions included;
    ``pooled`` is what comes through PgBouncers instead. ``others`` is None where sessions could not be seen: the
    figures are then lower bounds. ``certain`` is False where ``likely`` is a lower bound too.
    """

    instances: tuple[PlannedInstance, ...]
    likely: Demand
    most: Demand
    pooled: tuple[PooledDemand, ...]
    others: int | None
    certain: bool
    source: str = "odoo.conf, command line, environment and the processes seen"

    @property
    def figures(self) -> Figures:
        """The five moments for the databases in use; the ceiling for all that may come."""
        direct = structs.replace(self.likely.figures, ceiling=self.most.ceiling)
        return direct + self._pooled

    @property
    def highest(self) -> Figures:
        """The five moments if every worker serves every database that it may serve."""
        return self.most.figures + self._pooled

    @property
    def _pooled(self) -> Figures:
        total = Figures()
        for pool in self.pooled:
            total = total + through(pool)
        return total

    @property
    def guide(self) -> int:
        """The well-known formula's figure for all instances, pooled or not, for comparison only."""
        return self.likely.guide + sum(pool.clients.guide for pool in self.pooled)

    @property
    def direct(self) -> tuple[PlannedInstance, ...]:
        """The instances whose connections take slots themselves."""
        return tuple(i for i in self.instances if i.route.kind == "direct")


def through(pool: PooledDemand) -> Figures:
    """Slots that one PgBouncer takes.

    In transaction mode a server is held only while a transaction runs, so the databases do not multiply: as many as one
    database's demand, and one idle server more for each further database. In session mode every client has its own.
    Cut to what the pools allow; all of that at the ceiling.
    """
    held = pool.at_once.at_most(pool.likely.total)
    return structs.replace(held, ceiling=max(held.peak, pool.most.total))


def installation_demand(snapshot: Snapshot) -> InstallationDemand | Unavailable:
    """The demand of every instance that counts. Unavailable where an instance's version, options or way are unknown."""
    ways = routes(snapshot)
    if isinstance(ways, Unavailable):
        return ways
    assert isinstance(snapshot.odoo, Odoo)
    chosen = counted(snapshot.odoo, snapshot)
    if not chosen:
        return Unavailable("Odoo", "no Odoo instance was found", "name its configuration with --config FILE")
    try:
        planned = tuple(planned_instance(i, snapshot, way) for i in chosen if (way := ways.of(i.id)) is not None)
    except MissingEvidence as missing:
        return missing.gap
    lost = next((p.route for p in planned if p.route.kind == "unknown"), None)
    if lost is not None:
        remedy = "run doctor where the server's processes show, or name the pooler's console with --pgbouncer DSN"
        return Unavailable(f"the way of {lost.instance} to PostgreSQL", lost.why, remedy)
    pooled = _pooled(planned, snapshot)
    if isinstance(pooled, Unavailable):
        return pooled
    others = other_sessions(snapshot, bool(pooled))
    direct = tuple(p for p in planned if p.route.kind == "direct")
    return InstallationDemand(
        instances=planned,
        likely=demand_of(tuple(p.likely for p in direct), others or 0),
        most=demand_of(tuple(p.most for p in direct), others or 0),
        pooled=pooled,
        others=others,
        certain=all(p.certain for p in planned),
    )


def demand_of(hosts: tuple[OdooHost, ...], others: int) -> Demand:
    """The model's demand of ``hosts`` on their server, and ``others`` sessions beside it."""
    return demand(Deployment(hosts=hosts, servers=(PostgresServer(name=PRIMARY, other=others),)), PRIMARY)


def counted(odoo: Odoo, snapshot: Snapshot) -> tuple[OdooInstance, ...]:
    """The instances whose demand counts: those that run, or all where none is seen running here."""
    running = tuple(i for i in odoo.instances if i.processes)
    all_seen = isinstance(snapshot.processes, Processes) and snapshot.processes.complete
    return running if running and all_seen else odoo.instances


def _pooled(planned: tuple[PlannedInstance, ...], snapshot: Snapshot) -> tuple[PooledDemand, ...] | Unavailable:
    consoles = snapshot.pgbouncers.pgbouncers if isinstance(snapshot.pgbouncers, PgBouncers) else ()
    found = []
    for silent in (p for p in planned if p.route.kind == "pgbouncer" and p.route.pgbouncer is None):
        if isinstance(snapshot.pgbouncers, Unavailable):
            return snapshot.pgbouncers
        remedy = "name its console with --pgbouncer DSN"
        return Unavailable(f"the PgBouncer of {silent.instance}", "its console did not answer", remedy)
    for console in consoles:
        mine = tuple(p for p in planned if p.route.pgbouncer == console.address)
        if not mine:
            continue
        users = tuple(sorted({r for i in snapshot_instances(snapshot, mine) if (r := role_of(i, snapshot))}))
        likely, most = bounds_of(console, _names(mine, False), _names(mine, True), users)
        found.append(
            PooledDemand(
                address=console.address,
                instances=tuple(p.instance for p in mine),
                clients=demand_of(tuple(p.likely for p in mine), 0),
                most_clients=demand_of(tuple(p.most for p in mine), 0),
                at_once=_at_once(console, mine),
                likely=likely,
                most=most,
            )
        )
    return tuple(found)


def _at_once(console: PgBouncer, planned: tuple[PlannedInstance, ...]) -> Figures:
    names = _names(planned, False)
    session = any(mode_of(console, name) == "session" for name in names)
    if session:
        return demand_of(tuple(p.likely for p in planned), 0).figures
    alone = tuple(structs.replace(p.likely, databases=1, preloaded=(), databases_per_worker=None) for p in planned)
    held, more = demand_of(alone, 0).figures, max(0, len(names) - 1)
    return held + Figures(0, more, more, more, more)


def snapshot_instances(snapshot: Snapshot, planned: tuple[PlannedInstance, ...]) -> tuple[OdooInstance, ...]:
    """The OdooInstances that ``planned`` stands for."""
    assert isinstance(snapshot.odoo, Odoo)
    wanted = {p.instance for p in planned}
    return tuple(i for i in snapshot.odoo.instances if i.id in wanted)


def _names(planned: tuple[PlannedInstance, ...], every: bool) -> tuple[str, ...]:
    hosts = [p.most if every else p.likely for p in planned]
    return tuple(dict.fromkeys(name for h in hosts if isinstance(h.databases, tuple) for name in h.databases))
