"""The plan's model beside the measurement, and what the plan would set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from slotwise.capacity.demand import Demand, demand
from slotwise.capacity.deployment import Deployment, OdooHost, Traffic
from slotwise.capacity.from_snapshot import InstallationDemand, installation_demand
from slotwise.capacity.installation_supply import server_of
from slotwise.capacity.observed import other_sessions
from slotwise.capacity.pgbouncer_pools import PgBouncerPools
from slotwise.capacity.planner import Terms, plan_server
from slotwise.capacity.pooling import Workload
from slotwise.capacity.pools import number, pool_size
from slotwise.load.knee import Knee
from slotwise.load.measures import Step
from slotwise.load.report import Model, Remedy, RoleBeside
from slotwise.load.visits import Scenario
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers
from slotwise.snapshot.session_kinds import MAINTENANCE_DATABASE


class Bottleneck(NamedTuple):
    """Requests that can be served at once, and by what."""

    servers: int
    words: str


def hosts_of(scenario: Scenario) -> OdooHost:
    """The scenario's hosts as the plan's noun."""
    return OdooHost(
        odoo_version=scenario.odoo_version,
        name="stand-in",
        count=scenario.hosts,
        workers=scenario.workers,
        max_cron_threads=scenario.max_cron_threads,
        db_maxconn=scenario.db_maxconn,
        databases=scenario.databases,
        traffic=Traffic.RPC if scenario.rpc_ratio >= 1 else Traffic.BUSINESS,
        websockets=scenario.websockets,
    )


def expected_peak(scenario: Scenario) -> int:
    """Connections that the stand-in may open at its realistic maximum."""
    return demand(Deployment(hosts=(hosts_of(scenario),))).peak


def bottleneck(scenario: Scenario, before: Snapshot, through_pooler: bool) -> Bottleneck:
    """What bounds the requests in service: the HTTP workers, or a smaller PgBouncer pool that they go through."""
    workers = Bottleneck(scenario.servers, f"{scenario.servers} HTTP workers")
    if not through_pooler or not isinstance(before.pgbouncers, PgBouncers):
        return workers
    pools = sum(pool_size(one, name) for one in before.pgbouncers.pgbouncers for name in scenario.databases)
    pooled = Bottleneck(pools, f"{pools} server connections of PgBouncer")
    return pooled if 0 < pools < scenario.servers else workers


def analytic_knee(scenario: Scenario, servers: int) -> float | None:
    """N* = c (S + Z) / S of the closed system; None without service time."""
    service, think = scenario.service.mean_seconds, scenario.think.mean_seconds
    return servers * (service + think) / service if service > 0 else None


def model_of_scenario(scenario: Scenario, before: Snapshot, steps: Sequence[Step], through_pooler: bool) -> Model:
    """The plan of the scenario beside what was measured."""
    found = bottleneck(scenario, before, through_pooler)
    return Model(
        roles=roles_beside(demand(Deployment(hosts=(hosts_of(scenario),))), steps) if not through_pooler else (),
        knee_users=analytic_knee(scenario, found.servers),
        servers=found.servers,
        bottleneck=found.words,
        gap="behind a pooler every slot is the pooler's: roles cannot be compared" if through_pooler else None,
    )


def model_of_installation(before: Snapshot, steps: Sequence[Step]) -> Model:
    """The plan of the Odoo that was found beside what was measured; service times are not known there."""
    seen = installation_demand(before)
    if isinstance(seen, Unavailable):
        return Model(gap=f"{seen.source}: {seen.reason}")
    return Model(roles=roles_beside(seen.likely, steps))


def roles_beside(wanted: Demand, steps: Sequence[Step]) -> tuple[RoleBeside, ...]:
    """Each role of the plan or of the measurement; the most that any step showed."""
    measured: dict[str, int] = {}
    for step in steps:
        for role, count in step.slots.by_role.items():
            measured[role] = max(measured.get(role, 0), count)
    looked = any(step.slots.used is not None for step in steps)
    names = [*wanted.by_role, *(role for role in measured if role not in wanted.by_role)]
    return tuple(
        RoleBeside(
            role=name,
            typical=wanted.by_role[name].typical if name in wanted.by_role else None,
            peak=wanted.by_role[name].peak if name in wanted.by_role else None,
            measured=measured.get(name, 0) if looked else None,
        )
        for name in names
    )


def remedy_for(
    hosts: tuple[OdooHost, ...], before: Snapshot, found: Knee, service_seconds: float | None
) -> Remedy | None:
    """What the plan would set for these hosts with the measured load; None where the server could not be read."""
    server = server_of(before)
    if isinstance(server, Unavailable) or not hosts:
        return None
    others = other_sessions(before, pooled=False)
    server = replace(server, other=others or 0, pgbouncer=_pools(before))
    # A time of zero is a fit that could not tell, and no transaction's length.
    workload = Workload(
        transactions_per_second=found.most_per_second, transaction_seconds=service_seconds or None, source="load test"
    )
    plan = plan_server(Deployment(hosts=hosts, servers=(server,)), server.name, Terms(workload=workload))
    pooled = [one for one in plan.alternatives if one.pooling is not None] if server.pgbouncer is not None else []
    # Who runs a pooler asks how large its pools must be, and not whether to do without.
    best = pooled[0] if pooled else plan.recommended
    return Remedy(title=best.title, reason=best.reason, settings=best.settings)


def installed_hosts(before: Snapshot) -> tuple[OdooHost, ...]:
    """The Odoo hosts that were found, as far as they could be read."""
    seen = installation_demand(before)
    return tuple(one.likely for one in seen.instances) if isinstance(seen, InstallationDemand) else ()


def _pools(before: Snapshot) -> PgBouncerPools | None:
    if not isinstance(before.pgbouncers, PgBouncers) or not before.pgbouncers.pgbouncers:
        return None
    consoles: tuple[PgBouncer, ...] = before.pgbouncers.pgbouncers
    return PgBouncerPools(
        default_pool_size=sum(number(one, "default_pool_size") for one in consoles),
        reserve_pool_size=sum(number(one, "reserve_pool_size") for one in consoles),
        max_db_connections=sum(number(one, "max_db_connections") for one in consoles),
        max_user_connections=sum(number(one, "max_user_connections") for one in consoles),
        postgres_pool_size=sum(pool_size(one, MAINTENANCE_DATABASE) for one in consoles),
    )
