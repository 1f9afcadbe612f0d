"""Plans one server: bounds, verdict, and at least three ways to make the demand fit, the best one first."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from slotwise.capacity import memory, pooling, processor, recommendation
from slotwise.capacity.demand import Demand, demand, demand_figures
from slotwise.capacity.deployment import Deployment, OdooHost, PostgresServer
from slotwise.capacity.guide import GUIDE_FORMULA
from slotwise.capacity.headroom import BADNESS, DEFAULT_HEADROOM_RATIO, Fit, headroom_ratio, verdict
from slotwise.capacity.plan import Alternative, ServerPlan
from slotwise.capacity.pooling import PoolSizing, Workload
from slotwise.capacity.supply import Bound, Supply, supply


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asks of a plan: free share at typical demand, how busy the installation is."""

    headroom: float = DEFAULT_HEADROOM_RATIO
    workload: Workload = Workload()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment weighed against one of its servers."""

    demand: Demand
    bounds: tuple[Bound, ...]
    usable: int | None
    usable_next: int | None
    limit: int | None
    limited_by: str
    fit: Fit
    headroom_ratio: float | None


def plan_server(deployment: Deployment, name: str, terms: Terms | None = None) -> ServerPlan:
    """The plan of the server called ``name``. Raises KeyError when the deployment has none of that name."""
    asked = Terms() if terms is None else terms
    weighed = weigh(deployment, name, asked)
    server = deployment.server(name)
    hosts = tuple(host for host in deployment.hosts if name in (host.server, host.replica_server))
    return ServerPlan(
        server=server,
        hosts=hosts,
        demand=weighed.demand,
        bounds=weighed.bounds,
        usable=weighed.usable,
        usable_next=weighed.usable_next,
        limit=weighed.limit,
        limited_by=weighed.limited_by,
        verdict=weighed.fit,
        headroom_ratio=weighed.headroom_ratio,
        guide_says=guide_says(weighed.demand),
        alternatives=alternatives(Deployment(hosts=hosts, servers=(server,)), name, asked),
    )


def weigh(deployment: Deployment, name: str, terms: Terms) -> Verdict:
    """Demand on one server against the tightest bound on open connections."""
    server = deployment.server(name)
    wanted = demand(deployment, name)
    slots = supply(server)
    ram = ram_bound(deployment, server)
    limit, limited_by = _limit(server, slots, ram)
    return Verdict(
        demand=wanted,
        bounds=(*slots.bounds, *_hardware_bounds(server, ram)),
        usable=slots.usable,
        usable_next=slots.usable_next,
        limit=limit,
        limited_by=limited_by,
        fit=verdict(wanted, limit, terms.headroom),
        headroom_ratio=headroom_ratio(wanted.typical, limit),
    )


def _limit(server: PostgresServer, slots: Supply, ram: int | None) -> tuple[int | None, str]:
    """The tightest bound on open connections and its name. Slots decide; RAM and the role's limit only tighten them."""
    if slots.usable is None:
        return None, "unknown slots"
    found = [(slots.usable, "slots")]
    if slots.for_role is not None and slots.for_role < slots.usable:
        # The role's limit holds Odoo's sessions only: those of others come on top before it is compared.
        found.append((slots.for_role + server.other + server.superuser_sessions, "role limit"))
    if ram is not None:
        found.append((ram, "RAM"))
    return min(found, key=lambda pair: pair[0])


def ram_bound(deployment: Deployment, server: PostgresServer) -> int | None:
    """Connections that the server's RAM bears, Odoo's processes taken off where they share the machine."""
    return memory.most_connections(server, active_statements(server), odoo_bytes(deployment, server))


def active_statements(server: PostgresServer) -> int:
    """Statements that really run at once, for sorts: 2 × cores + spindles."""
    cores = processor.ASSUMED_CORES if server.cores is None else server.cores
    return 2 * cores + processor.SPINDLES


def odoo_bytes(deployment: Deployment, server: PostgresServer) -> int:
    """Memory of the Odoo processes on the server's own machine; 0 when they run elsewhere."""
    if not server.shared_with_odoo:
        return 0
    mine = [host for host in deployment.hosts if host.server == server.name]
    return memory.ODOO_WORKER_BYTES * sum(
        host.count * (max(1, host.workers) + (host.max_cron_threads if host.workers else 0)) for host in mine
    )


def _hardware_bounds(server: PostgresServer, ram: int | None) -> tuple[Bound, ...]:
    found = []
    if ram is not None and server.ram_bytes is not None:
        each = memory.bytes_per_connection(server) / memory.MIB
        found.append(
            Bound(
                "ram", ram, f"{each:.1f} MiB a connection (private, page tables, shared memory), docs/model.md Memory"
            )
        )
        guide_bound = memory.guide_most_connections(server.ram_bytes)
        found.append(Bound("guide_ram", guide_bound, "the guide: 16 GB bear 200, 64 GB 500 (for comparison)"))
    active = processor.most_active(server.cores)
    if active is not None:
        source = "(2 × cores + spindles) / busy share of a transaction: transactions at once, not connections"
        found.append(Bound("cpu_transactions", active, source))
    return tuple(found)


def guide_says(wanted: Demand) -> str:
    """One sentence: the guide's figure beside the model's and what makes the difference."""
    if wanted.guide == 0:
        return "the guide's formula counts nothing here"
    odoo = wanted.typical - sum(
        wanted.by_role[role].typical for role in ("other", "superuser") if role in wanted.by_role
    )
    start = f"the guide says {wanted.guide} ({GUIDE_FORMULA}); the model's typical is {odoo}"
    if odoo == wanted.guide:
        return f"{start}, the same by chance: the guide counts cron threads per worker and no databases"
    if odoo < wanted.guide:
        return (
            f"{start}, {wanted.guide - odoo} fewer: max_cron_threads is a total per host, and the guide multiplies it "
            "by workers"
        )
    if set(wanted.by_role) <= {"threaded", "other", "superuser"}:
        return f"{start}, {odoo - wanted.guide} more: the threads of one process open a connection for each request"
    return (
        f"{start}, {odoo - wanted.guide} more: each worker keeps connections for every database it serves, and the "
        "guide knows no databases"
    )


def alternatives(deployment: Deployment, name: str, terms: Terms) -> tuple[Alternative, ...]:
    """Fit the pools, raise max_connections, add PgBouncer; fewer workers when none of them is enough. Best first."""
    fitted = recommendation.fit_pools(deployment, name, lambda changed: _good(changed, name, terms))
    natural = recommendation.natural_pools(deployment)
    raised = _raised(natural, name, terms)
    if not _good(raised, name, terms):
        raised = _raised(fitted, name, terms)
    pooled, sizing = _with_pgbouncer(natural, name, terms)
    found = [_alternative("fit-the-pools", fitted, name, terms)]
    slots = _alternative("raise-max-connections", raised, name, terms)
    pooler = _alternative(
        "add-pgbouncer", pooled, name, terms, sizing, stands=deployment.server(name).pgbouncer is not None
    )
    found.extend((slots, pooler) if _worth_raising(raised.server(name)) else (pooler, slots))
    if not any(one.verdict is Fit.FITS for one in found):
        fewer = _fewer_workers(deployment, name, terms)
        if fewer is not None:
            found.append(fewer)
    # Stable: among those that fit, the order above, which is the order of cost.
    return tuple(sorted(found, key=lambda one: BADNESS[one.verdict]))


def _raised(deployment: Deployment, name: str, terms: Terms) -> Deployment:
    bound = ram_bound(deployment, deployment.server(name))
    return recommendation.raise_slots(deployment, name, terms.headroom, bound, demand_figures(deployment, name))


def _worth_raising(server: PostgresServer) -> bool:
    """Whether the higher max_connections stays within the guide's table for this RAM (its 16 GB when unknown)."""
    ram = 16 * memory.GIB if server.ram_bytes is None else server.ram_bytes
    return (server.max_connections or 0) <= memory.guide_most_connections(ram)


def _good(deployment: Deployment, name: str, terms: Terms) -> bool:
    server = deployment.server(name)
    limit, _limited_by = _limit(server, supply(server), ram_bound(deployment, server))
    return verdict(demand_figures(deployment, name), limit, terms.headroom) is Fit.FITS


def behind_pgbouncer(deployment: Deployment, name: str, terms: Terms) -> Deployment:
    """The deployment with a PgBouncer of the right size before the server ``name``."""
    only = Deployment(
        hosts=tuple(host for host in deployment.hosts if name in (host.server, host.replica_server)),
        servers=(deployment.server(name),),
    )
    pooled, _sizing = _with_pgbouncer(only, name, terms)
    changed = pooled.server(name)
    return replace(deployment, servers=tuple(changed if one.name == name else one for one in deployment.servers))


def _with_pgbouncer(deployment: Deployment, name: str, terms: Terms) -> tuple[Deployment, PoolSizing]:
    server = deployment.server(name)
    direct = replace(server, pgbouncer=None)
    without = replace(deployment, servers=(direct,))
    clients = demand(without, name)
    slots = weigh(without, name, terms)
    strangers = server.other + server.superuser_sessions + _past_pgbouncer(clients)
    hosts = tuple(host for host in deployment.hosts if host.server == name)
    room = slots.limit if slots.limit is not None else server.max_connections or 100
    sizing = pooling.size_pools(
        hosts, room, strangers, clients.ceiling, terms.workload, processor.most_active(server.cores)
    )
    return replace(deployment, servers=(replace(server, pgbouncer=sizing.pools),)), sizing


def _past_pgbouncer(clients: Demand) -> int:
    return sum(clients.by_role[role].typical for role in ("shell", "queue_job", "raw") if role in clients.by_role)


def _fewer_workers(deployment: Deployment, name: str, terms: Terms) -> Alternative | None:
    """The most workers that fit, directly or behind PgBouncer; None when not even one fits."""

    def shrunk(share: float) -> Deployment:
        hosts = tuple(
            replace(
                host,
                workers=max(1, int(host.workers * share)) if host.workers else 0,
                max_cron_threads=min(host.max_cron_threads, 2 if share > 0 else 1),
            )
            for host in deployment.hosts
        )
        smaller = replace(deployment, hosts=hosts)
        return recommendation.fit_pools(smaller, name, lambda changed: _good(changed, name, terms))

    def direct(share: float) -> Alternative:
        return _alternative("fewer-workers", shrunk(share), name, terms)

    def pooled(share: float) -> Alternative:
        behind, sizing = _with_pgbouncer(shrunk(share), name, terms)
        return _alternative("fewer-workers-behind-pgbouncer", behind, name, terms, sizing)

    found = [one for one in (_largest(direct), _largest(pooled)) if one is not None]
    return max(found, key=lambda one: sum(host.count * host.workers for host in one.hosts), default=None)


def _largest(candidate: Callable[[float], Alternative], steps: int = 7) -> Alternative | None:
    """The candidate for the largest share of the workers that still fits, None when the smallest does not."""
    best = candidate(0.0)
    if best.verdict is not Fit.FITS:
        return None
    low, high = 0.0, 1.0
    for _ in range(steps):
        middle = (low + high) / 2
        tried = candidate(middle)
        if tried.verdict is Fit.FITS:
            best, low = tried, middle
        else:
            high = middle
    return best


_STORIES: dict[str, tuple[str, str, str, str]] = {
    "fit-the-pools": (
        "Fit Odoo's own pools",
        "Odoo",
        "a process that wants more cursors at once than db_maxconn fails with PoolError instead of filling the server",
        "costs nothing on the database server: idle connections over the pool are closed, none is refused",
    ),
    "raise-max-connections": (
        "Raise max_connections",
        "PostgreSQL (every session ends), standbys first; Odoo",
        "more sessions may run at once than the CPU serves well; memory must be there when they do",
        "gives the demand the slots it asks for, within what the RAM bears",
    ),
    "add-pgbouncer": (
        "Put PgBouncer before PostgreSQL",
        "Odoo (new db_host and db_port), PgBouncer",
        "one more service; LISTEN on database postgres must stay in session mode, and -u and pg_dump must go past it",
        "many idle Odoo connections share few slots; what does not fit waits in PgBouncer instead of being refused",
    ),
    "fewer-workers": (
        "Fewer workers",
        "Odoo",
        "fewer requests at once: users wait in Odoo's accept queue under load",
        "the server has fewer slots than the workers as meant can use",
    ),
    "fewer-workers-behind-pgbouncer": (
        "Fewer workers, behind PgBouncer",
        "Odoo, PgBouncer",
        "fewer requests at once: users wait in Odoo's accept queue under load",
        "the server has fewer slots than the workers as meant can share without a deadlock",
    ),
}


def _alternative(
    name: str,
    deployment: Deployment,
    server_name: str,
    terms: Terms,
    sizing: PoolSizing | None = None,
    *,
    stands: bool = False,
) -> Alternative:
    weighed = weigh(deployment, server_name, terms)
    server = deployment.server(server_name)
    title, restart, risk, reason = _STORIES[name]
    if _cuts_pools(deployment):
        risk = f"{risk}; db_maxconn is below what a worker keeps, so it reconnects when it changes databases"
    if name == "add-pgbouncer" and stands:
        title, restart = "Size PgBouncer's pools", "nothing: RELOAD in PgBouncer's console; Odoo for its own pools"
    if name == "raise-max-connections" and server.max_connections is not None:
        title = f"max_connections = {server.max_connections}"
    fit = weighed.fit
    if sizing is not None and not sizing.fits:
        fit = Fit.DOES_NOT_FIT
        reason = (
            f"only {sizing.budget} slots are left for the transaction pools, and {sizing.wanted_slots} are needed "
            f"({sizing.deadlock_floor} so that nested cursors cannot wait for each other)"
        )
    return Alternative(
        name=name,
        title=title,
        verdict=fit,
        headroom_ratio=weighed.headroom_ratio,
        typical=weighed.demand.typical,
        peak=weighed.demand.peak,
        ceiling=weighed.demand.ceiling,
        usable=weighed.usable,
        ram_bytes=weighed.demand.peak * memory.bytes_per_connection(server),
        restart=restart,
        risk=risk,
        reason=reason,
        settings=recommendation.settings(deployment, server_name, sizing),
        hosts=deployment.hosts,
        server=server,
        pooling=sizing,
    )


def _cuts_pools(deployment: Deployment) -> bool:
    """Whether some process would keep more idle connections than its odoo_pool lets it."""
    natural = recommendation.natural_pools(deployment)
    return any(
        host.odoo_pool_size < wanted.odoo_pool_size
        for host, wanted in zip(deployment.hosts, natural.hosts, strict=True)
        if host.workers
    )


def host_count(hosts: tuple[OdooHost, ...]) -> int:
    """How many Odoo hosts these stand for."""
    return sum(host.count for host in hosts)
