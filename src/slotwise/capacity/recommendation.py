"""The settings to write: Odoo's pools, max_connections, memory, the role's limit, PgBouncer."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from msgspec.structs import replace

from slotwise.capacity import holdings, memory, processor
from slotwise.capacity.deployment import Deployment, OdooHost, PostgresServer, nameless
from slotwise.capacity.figures import Figures
from slotwise.capacity.plan import PlanSetting
from slotwise.capacity.pooling import PoolSizing
from slotwise.capacity.supply import supply

SMALLEST_ODOO_POOL = 8
"""db_maxconn that never starves a stock process by itself: an HTTP request opens up to 4 at once, a scheduled action up
to 6 with its LISTEN session and a notification (slotwise.capacity.holdings); two are spare."""

GEVENT_POOL = 16
LARGEST_GEVENT_POOL = 32
_WIDE = 100_000
"""A pool that cuts nothing."""
LEAST_MAX_CONNECTIONS = 100
WORKERS_PER_CORE = 2
"""The guide's rule, and Odoo's documentation has 2 × cores + 1 as its theoretical maximum."""


def natural_pools(deployment: Deployment) -> Deployment:
    """``db_maxconn`` and ``db_maxconn_gevent`` for what each process can use at its peak, workers within the cores."""
    return _with_pools(replace(deployment, hosts=tuple(_within_cores(host) for host in deployment.hosts)), None)


def fit_pools(deployment: Deployment, name: str, good: Callable[[Deployment], bool]) -> Deployment:
    """``db_maxconn`` and ``db_maxconn_gevent`` just large enough, and workers within the cores where these are known.

    First what each process can use at its peak; when ``good`` says that this does not fit, less, down to the smallest
    pool that never starves, since a full pool closes idle connections rather than refusing.
    """
    wanted = natural_pools(deployment)
    if good(wanted):
        return wanted
    low, high = SMALLEST_ODOO_POOL, max((host.odoo_pool_size for host in wanted.hosts), default=SMALLEST_ODOO_POOL)
    smallest = _with_pools(wanted, low)
    if not good(smallest):
        return smallest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if good(_with_pools(wanted, middle)) else (low, middle - 1)
    return _with_pools(wanted, low)


def _within_cores(host: OdooHost) -> OdooHost:
    if host.cores is None or host.workers <= WORKERS_PER_CORE * host.cores:
        return host
    return replace(host, workers=WORKERS_PER_CORE * host.cores)


def _with_pools(deployment: Deployment, most: int | None) -> Deployment:
    return replace(deployment, hosts=tuple(_with_pool(host, most) for host in deployment.hosts))


@lru_cache(maxsize=8192)
def _with_pool(host: OdooHost, most: int | None) -> OdooHost:
    """The host with the pools that its processes can use, cut to ``most`` but never below what starves them."""
    threads = host.max_http_threads
    if host.workers == 0:
        wanted_threads = holdings.ASSUMED_CONCURRENT_REQUESTS * 2
        if host.concurrent_requests is not None:
            wanted_threads = max(1, host.concurrent_requests)
        threads = wanted_threads if threads is None else min(threads, wanted_threads)
    gevent_pool = GEVENT_POOL if host.websockets is None else min(LARGEST_GEVENT_POOL, 1 + 2 * host.websockets)
    if host.workers:
        # However many workers there are, each needs the same: hosts that differ in their number only are one.
        need = _deepest_process(replace(nameless(host), workers=1, db_maxconn=_WIDE, db_maxconn_gevent=_WIDE))
        floor = SMALLEST_ODOO_POOL
    else:
        most_threads = threads or 1
        floor = 6 * host.max_cron_threads + 2 * most_threads + (1 if host.websockets_used else 0)
        wide = replace(host, db_maxconn=_WIDE, db_maxconn_gevent=_WIDE, max_http_threads=threads)
        need = max(floor, _at_peak(holdings.threaded(wide)[0]) if host.websockets == 0 else 2 * floor)
    pool = max(floor, need if most is None else min(need, most))
    return replace(
        host,
        db_maxconn=max(SMALLEST_ODOO_POOL, pool),
        db_maxconn_gevent=max(SMALLEST_ODOO_POOL, gevent_pool if most is None else min(gevent_pool, most)),
        max_http_threads=threads,
    )


@lru_cache(maxsize=1024)
def _deepest_process(host: OdooHost) -> int:
    """The most connections that one HTTP or cron worker uses at its peak."""
    used = [role for role in holdings.prefork(host) if role.role in ("http_worker", "cron_worker") and role.processes]
    return max((_at_peak(role) for role in used), default=0)


def _at_peak(role: holdings.RoleHolding) -> int:
    held = role.holding
    return held.listen.peak + held.databases.peak + held.short_lived.peak


def raise_slots(
    deployment: Deployment, name: str, headroom: float, ram_bound: int | None, wanted: Figures
) -> Deployment:
    """The server with max_connections for peak and headroom, for the whole ceiling where that is cheap.

    Never more than the RAM bears, and on a managed service never more than its class has; never less than it has now.
    """
    server = deployment.server(name)
    reserved = supply(server).reserved
    needed = max(math.ceil(wanted.typical / (1 - headroom)), wanted.peak) + reserved
    whole = wanted.ceiling + reserved
    # A slot costs 48 KiB until it is used, so the whole ceiling is covered as far as the guide's table reaches.
    cheap = memory.guide_most_connections(16 * memory.GIB if server.ram_bytes is None else server.ram_bytes)
    if whole <= cheap and (ram_bound is None or wanted.ceiling <= ram_bound):
        needed = max(needed, whole)
    target = max(LEAST_MAX_CONNECTIONS, server.max_connections or 0, 10 * math.ceil(needed / 10))
    if ram_bound is not None:
        target = max(server.max_connections or 0, min(target, ram_bound + reserved))
    if server.managed is not None and server.max_connections is not None:
        target = server.max_connections
    return replace(
        deployment,
        servers=tuple(replace(one, max_connections=target) if one.name == name else one for one in deployment.servers),
    )


def settings(deployment: Deployment, name: str, sizing: PoolSizing | None) -> tuple[PlanSetting, ...]:
    """Every setting of the deployment as it should be, with where it goes and why."""
    server = deployment.server(name)
    found: list[PlanSetting] = []
    for host in dict.fromkeys(host for host in deployment.hosts if host.server == name):
        found.extend(_odoo_settings(host))
    found.extend(_postgres_settings(server, sizing))
    if sizing is not None:
        found.extend(_pgbouncer_settings(sizing))
    return tuple(found)


def _odoo_settings(host: OdooHost) -> list[PlanSetting]:
    where = f"odoo.conf of {host.name}"

    def one(name: str, value: int | str, unit: str, why: str) -> PlanSetting:
        return PlanSetting(name=name, value=value, unit=unit, where=where, why=why)

    cores = "" if host.cores is None else f", {WORKERS_PER_CORE} a core on {host.cores} cores"
    found = [
        one("workers", host.workers, "processes", f"one request each at a time{cores}"),
        one("max_cron_threads", host.max_cron_threads, "processes", "a total per host, not per worker"),
        one(
            "db_maxconn", host.odoo_pool_size, "connections per process",
            "what a process uses at its peak: LISTEN, its databases, a notification",
        ),
    ]  # fmt: skip
    if host.workers:
        found.append(
            one(
                "db_maxconn_gevent",
                host.gevent_pool_size,
                "connections",
                "LISTEN and a burst of websocket notifications; unset it takes db_maxconn",
            )
        )
    else:
        found[0] = one("workers", 0, "processes", "threaded, for development; one process serves every request")
        found.append(
            PlanSetting(
                name="ODOO_MAX_HTTP_THREADS",
                value=host.max_http_threads or 1,
                unit="threads",
                where=f"environment of {host.name}",
                why="requests wait for a thread instead of failing with PoolError",
            )
        )
    return found


def _postgres_settings(server: PostgresServer, sizing: PoolSizing | None) -> list[PlanSetting]:
    where = f"managed service {server.managed}" if server.managed else f"postgresql.conf of {server.name}"
    found: list[PlanSetting] = []
    if server.max_connections is not None:
        why = "peak, headroom at typical demand, and the reserves"
        found.append(
            PlanSetting(name="max_connections", value=server.max_connections, unit="connections", where=where, why=why)
        )
    if server.ram_bytes is not None and server.managed is None:
        buffers = memory.shared_buffers_bytes(server) or 0
        found.append(
            PlanSetting(
                name="shared_buffers",
                value=f"{buffers // memory.MIB}MB",
                unit="memory",
                where=where,
                why="a quarter of the RAM" if server.shared_buffers_bytes is None else "as it is",
            )
        )
        found.append(
            PlanSetting(
                name="work_mem",
                value=f"{_work_mem_bytes(server) // memory.MIB}MB",
                unit="memory",
                where=where,
                why="times the statements that the cores run at once, within an eighth of the RAM",
            )
        )
    limit = supply(server).usable
    if sizing is not None:
        limit = sizing.role_connection_limit
    elif limit is not None:
        limit = max(0, limit - server.other)
    if limit is not None and not server.role_is_superuser:
        found.append(
            PlanSetting(
                name="CONNECTION LIMIT",
                value=limit,
                unit="connections",
                where="ALTER ROLE of Odoo's role",
                why="Odoo meets its own limit before it takes everybody else's slots",
            )
        )
    return found


def _work_mem_bytes(server: PostgresServer) -> int:
    if server.work_mem_bytes is not None or server.ram_bytes is None:
        return memory.DEFAULT_WORK_MEM_BYTES if server.work_mem_bytes is None else server.work_mem_bytes
    cores = processor.ASSUMED_CORES if server.cores is None else server.cores
    active = 2 * cores + processor.SPINDLES
    share = server.ram_bytes // 8 // (active * memory.SORTS_PER_STATEMENT)
    steps = max(0, (share // memory.MIB).bit_length() - 1)
    return max(memory.DEFAULT_WORK_MEM_BYTES, min(64 * memory.MIB, (1 << steps) * memory.MIB))


def _pgbouncer_settings(sizing: PoolSizing) -> list[PlanSetting]:
    pools = sizing.pools
    rows: list[tuple[str, int | str, str, str]] = [
        ("pool_mode", "transaction", "mode", "for Odoo's databases; postgres gets session mode of its own"),
        (
            "postgres = … pool_mode=session pool_size", pools.postgres_pool_size, "connections",
            f"{sizing.listen_sessions} LISTEN sessions stay for good, the rest are notifications",
        ),
        (
            "default_pool_size", pools.default_pool_size, "connections per database and user",
            f"short waits; below {sizing.deadlock_floor} nested cursors can wait for each other",
        ),
        ("reserve_pool_size", pools.reserve_pool_size, "connections", "for bursts"),
        ("reserve_pool_timeout", int(sizing.reserve_pool_timeout_seconds), "seconds", "before the reserve is used"),
        ("max_db_connections", pools.max_db_connections, "connections", "one database's pool and reserve"),
        (
            "max_user_connections", pools.max_user_connections, "connections",
            "the cap that holds with a wildcard entry, where pools multiply by databases",
        ),
        ("max_client_conn", sizing.max_client_conn, "connections", "all that Odoo can open, a fifth more, and 20"),
        (
            "query_wait_timeout", sizing.query_wait_timeout_seconds, "seconds",
            "fail before Odoo's limit_time_real instead of hanging",
        ),
        ("server_idle_timeout", sizing.server_idle_timeout_seconds, "seconds", "idle server connections go back"),
        ("server_lifetime", sizing.server_lifetime_seconds, "seconds", "bounds the memory of a server connection"),
        ("idle_transaction_timeout", 0, "seconds", "a scheduled action's lock is idle in transaction by design"),
    ]  # fmt: skip
    return [
        PlanSetting(name=name, value=value, unit=unit, where="pgbouncer.ini", why=why)
        for name, value, unit, why in rows
    ]
