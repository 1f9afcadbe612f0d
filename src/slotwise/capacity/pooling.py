"""The two layers: Odoo's own pools in front, PgBouncer's pools behind them, and how large each must be.

PgBouncer in transaction mode serves Odoo's databases; database ``postgres`` needs session mode, because ``LISTEN``
belongs to a session (https://www.pgbouncer.org/features.html) and Odoo listens there for cron triggers and for the bus.
"""

from __future__ import annotations

import math
from functools import lru_cache

import msgspec

from slotwise.capacity import queueing
from slotwise.capacity.deployment import OdooHost
from slotwise.capacity.holdings import TYPICAL_GEVENT_CURSORS
from slotwise.capacity.pgbouncer_pools import DIRECT_CONNECTIONS, PgBouncerPools
from slotwise.capacity.queueing import Wait

ASSUMED_TRANSACTION_SECONDS = 0.1
"""Mean length of a transaction, Python's time in it included, when nobody measured it. An assumption."""

ASSUMED_BUSY_WORKER_SHARE = 0.5
"""Share of its time that a worker spends in transactions when nobody measured the rate. An assumption."""

HIGHEST_UTILIZATION_RATIO = 0.8
"""Busy share of the pool above which waits grow steeply."""

LONGEST_P99_WAIT_SECONDS = 0.25
"""Wait for a server connection that 99 of 100 transactions should stay below."""

RESERVE_SHARE = 0.15


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """How busy the installation is. None: not measured, and the assumption of this module takes its place."""

    transactions_per_second: float | None = None
    transaction_seconds: float | None = None
    source: str = "assumed"

    @property
    def service_seconds(self) -> float:
        """Mean length of a transaction in seconds."""
        return ASSUMED_TRANSACTION_SECONDS if self.transaction_seconds is None else self.transaction_seconds


class PoolSizing(msgspec.Struct, frozen=True, kw_only=True):
    """PgBouncer's settings for a deployment, the wait that they make, and whether they fit.

    ``deadlock_floor``: below it processes that hold one connection and want a second can wait for each other until
    query_wait_timeout. ``erlang``: endless clients; ``finite``: Odoo's few processes. ``fits``: the budget reaches the
    floor and the wanted pool.
    """

    pools: PgBouncerPools
    clients: int
    offered: float
    transactions_per_second: float
    transaction_seconds: float
    wanted_slots: int
    deadlock_floor: int
    budget: int
    listen_sessions: int
    max_client_conn: int
    reserve_pool_timeout_seconds: float
    query_wait_timeout_seconds: int
    server_idle_timeout_seconds: int
    server_lifetime_seconds: int
    role_connection_limit: int
    erlang: Wait
    finite: Wait
    fits: bool
    workload_source: str


def processes(hosts: tuple[OdooHost, ...]) -> int:
    """Odoo processes that run transactions at once: HTTP and cron workers, or the threads of a threaded server."""
    return sum(_processes(host) for host in hosts)


def deadlock_floor(hosts: tuple[OdooHost, ...]) -> int:
    """Smallest pool in which somebody can always go on: one more than all that holders of some can hold while waiting.

    An HTTP request holds at most one connection while it waits for its second, a scheduled action two while it waits
    for its third (slotwise.capacity.holdings.CRON_JOB_CURSORS): 1 + workers + 2 × cron processes.
    """
    return 1 + sum(host.count * (_http(host) + 2 * host.max_cron_threads) for host in hosts)


def listen_sessions(hosts: tuple[OdooHost, ...]) -> int:
    """Sessions that listen on ``postgres`` for good: one per cron process, one for the bus."""
    return sum(host.count * (host.max_cron_threads + (1 if host.websockets_used else 0)) for host in hosts)


def postgres_pool(hosts: tuple[OdooHost, ...]) -> int:
    """Session pool for ``postgres`` in which a notification never waits: LISTEN sessions and every notifier at once."""
    extra = sum(
        host.count * (_http(host) + host.max_cron_threads + (TYPICAL_GEVENT_CURSORS if host.websockets_used else 0))
        for host in hosts
    )
    return listen_sessions(hosts) + extra + 1


def size_pools(
    hosts: tuple[OdooHost, ...], usable: int, other: int, client_ceiling: int, workload: Workload, cpu_bound: int | None
) -> PoolSizing:
    """PgBouncer in front of ``usable`` slots of which ``other`` belong to somebody else.

    ``client_ceiling`` is the most connections that Odoo can open towards PgBouncer; ``cpu_bound`` what the server's
    cores bear (slotwise.capacity.processor), None when unknown.
    """
    clients = processes(hosts)
    databases = distinct_databases(hosts)
    service = workload.service_seconds
    rate, source = _rate(clients, workload)
    floor = deadlock_floor(hosts)
    listen = listen_sessions(hosts)
    session_pool = postgres_pool(hosts)
    budget = max(0, usable - other - session_pool - DIRECT_CONNECTIONS)
    wanted = max(floor, _enough_slots(clients, rate, service))
    bearable = budget if cpu_bound is None else min(budget, max(cpu_bound, floor))
    reserve = min(max(2, math.ceil(RESERVE_SHARE * wanted)), max(0, bearable - wanted))
    size = max(1, min(wanted, bearable))
    total = size + reserve
    pools = PgBouncerPools(
        default_pool_size=size,
        reserve_pool_size=reserve,
        max_db_connections=total,
        max_user_connections=min(budget, max(total, _shared_total(total, databases))) + session_pool
        if budget
        else total + session_pool,
        postgres_pool_size=session_pool,
    )
    return PoolSizing(
        pools=pools,
        clients=clients,
        offered=rate * service,
        transactions_per_second=rate,
        transaction_seconds=service,
        wanted_slots=wanted,
        deadlock_floor=floor,
        budget=budget,
        listen_sessions=listen,
        max_client_conn=math.ceil(1.2 * client_ceiling) + 20,
        reserve_pool_timeout_seconds=3.0,
        query_wait_timeout_seconds=30,
        server_idle_timeout_seconds=60 if databases > 1 else 600,
        server_lifetime_seconds=1800,
        role_connection_limit=pools.max_user_connections + DIRECT_CONNECTIONS,
        erlang=queueing.wait_open(size, rate, service),
        finite=queueing.wait_finite(size, clients, service, queueing.think_seconds(clients, rate, service)),
        fits=budget >= floor and bearable >= wanted,
        workload_source=source,
    )


def distinct_databases(hosts: tuple[OdooHost, ...]) -> int:
    """Databases of all hosts, shared ones once. Databases without names are taken as different on different hosts."""
    lists: list[tuple[str, ...]] = []
    unnamed = 0
    for host in set(hosts):
        if isinstance(host.databases, tuple):
            lists.append(host.databases)
            unnamed += max(0, host.database_count - len(host.databases))
        else:
            unnamed += host.database_count
    return _distinct(tuple(sorted(set(lists)))) + unnamed


@lru_cache(maxsize=2)
def _distinct(lists: tuple[tuple[str, ...], ...]) -> int:
    """Names in all lists. Remembered: a plan of a large fleet asks several times."""
    return len(set().union(*lists))


def _http(host: OdooHost) -> int:
    """Requests that a host serves at once."""
    if not host.http_enable:
        return 0
    if host.workers > 0:
        return host.workers
    most = host.odoo_pool_size if host.max_http_threads is None else host.max_http_threads
    return most if host.concurrent_requests is None else min(most, host.concurrent_requests)


def _processes(host: OdooHost) -> int:
    return host.count * (_http(host) + host.max_cron_threads)


def _rate(clients: int, workload: Workload) -> tuple[float, str]:
    if workload.transactions_per_second is not None:
        return workload.transactions_per_second, workload.source
    rate = clients * ASSUMED_BUSY_WORKER_SHARE / workload.service_seconds
    return rate, f"assumed: each process is in a transaction {ASSUMED_BUSY_WORKER_SHARE:.0%} of the time"


def _enough_slots(clients: int, rate: float, service: float) -> int:
    """Fewest slots with a busy share and a p99 wait within this module's bounds; never more than there are clients."""
    if clients == 0 or rate <= 0:
        return 1
    pause = queueing.think_seconds(clients, rate, service)
    if pause <= 0:
        return clients
    if clients > queueing.MOST_EXACT_CLIENTS:
        offered = rate * service
        return min(clients, math.ceil(max(offered / HIGHEST_UTILIZATION_RATIO, offered + 3 * math.sqrt(offered))))
    low, high = 1, clients
    while low < high:
        middle = (low + high) // 2
        good = queueing.is_short(middle, clients, service, pause, HIGHEST_UTILIZATION_RATIO, LONGEST_P99_WAIT_SECONDS)
        low, high = (low, middle) if good else (middle + 1, high)
    return low


def _shared_total(one: int, databases: int) -> int:
    """Server connections for all databases together: one pool, two more per further database, twice that at most."""
    return min(2 * one, one + 2 * max(0, databases - 1))
