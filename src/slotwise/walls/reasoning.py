"""From the counts of one incident to its probable cause, with the reasons. Pure: counts in, a verdict out."""

from __future__ import annotations

from typing import NamedTuple

from slotwise.walls.causes import CAUSES, Cause
from slotwise.walls.kinds import Wall

MANY_JOBS = 4
"""More than Odoo's two cron workers begin within seconds unless several hosts or databases do it at once."""


class Evidence(NamedTuple):
    """What is known about one incident: how often each wall and kind was told, by which layer, and what went before."""

    walls: dict[tuple[str, str], int]
    """(layer, wall) to number of refusals."""
    kinds: dict[str, int]
    """Kind to number of events during the incident."""
    before: dict[str, int]
    """Kind to number of events in the ten minutes before it."""
    databases: int
    """Different databases that were refused."""
    pool_max: int | None = None
    """``max`` of the ConnectionPool lines that reached their limit, where they were logged."""
    gevent: bool = False
    """True when the websocket process is the only Odoo process that was refused by its own pool."""
    jobs_just_begun: int = 0
    """Scheduled actions that began in the seconds before the first refusal."""


class Reasoned(NamedTuple):
    """A cause, how sure it is (``certain``, ``likely``, ``possible``), and why."""

    cause: Cause
    confidence: str
    because: tuple[str, ...]


def probable_cause(evidence: Evidence) -> Reasoned:
    """The cause that explains most of an incident. Each step asks for something more telling than the next."""
    for step in (_host, _restart, _limits, _pooler, _odoo_pool, _slots, _down):
        found = step(evidence)
        if found is not None:
            return found
    return Reasoned(CAUSES["not-known"], "possible", ())


def _count(evidence: Evidence, wall: Wall) -> int:
    return sum(count for (_, name), count in evidence.walls.items() if name == wall.value)


def _told(evidence: Evidence, *kinds: str) -> int:
    return sum(evidence.kinds.get(kind, 0) + evidence.before.get(kind, 0) for kind in kinds)


def _found(slug: str, confidence: str, *because: str) -> Reasoned:
    return Reasoned(CAUSES[slug], confidence, tuple(reason for reason in because if reason))


def _times(count: int, what: str) -> str:
    return f"{count} × {what}" if count else ""


def _host(evidence: Evidence) -> Reasoned | None:
    """Memory, processes, files: they bring everything else down, so they are asked first."""
    killed = _told(evidence, "pg_killed")
    oom = _told(evidence, "oom_kill")
    crash = _told(evidence, "pg_crash")
    bystanders = _told(evidence, "pg_crash_bystander")
    if killed or (oom and bystanders):
        return _found(
            "server-killed",
            "certain" if killed else "likely",
            _times(killed, "a server process was terminated by signal 9"),
            _times(oom, "the kernel's out-of-memory killer"),
        )
    if crash:
        return _found("server-crash", "certain", _times(crash, "a server process was terminated by a signal"))
    if bystanders:
        return _found("server-killed", "possible", _times(bystanders, "dropped because another process crashed"))
    if files := _count(evidence, Wall.FD_LIMIT):
        return _found("file-limit", "certain", _times(files, "no file descriptor left"))
    if memory := _count(evidence, Wall.MEMORY):
        return _found("process-limit", "certain", _times(memory, "no process, thread or memory to be had"))
    return None


def _restart(evidence: Evidence) -> Reasoned | None:
    if any(_count(evidence, wall) for wall in _SLOT_WALLS):
        return None
    asked = _told(evidence, "pg_shutdown_requested", "pg_stopped")
    away = evidence.kinds.get("pg_shutdown", 0) + evidence.kinds.get("pg_starting", 0)
    if asked or away:
        return _found(
            "server-restart",
            "certain" if asked else "likely",
            _times(asked, "PostgreSQL's log tells a shutdown"),
            _times(away, "refused because the server was starting or stopping"),
        )
    return None


_SLOT_WALLS = (
    Wall.PG_MAX_CONNECTIONS,
    Wall.PG_RESERVED,
    Wall.PG_ROLE_LIMIT,
    Wall.PG_DB_LIMIT,
    Wall.PG_PROCESS_TABLE,
)


def _limits(evidence: Evidence) -> Reasoned | None:
    """Limits that name themselves: the greatest of them, where several were met."""
    named = {
        Wall.PG_PROCESS_TABLE: "unauthenticated-flood",
        Wall.PG_ROLE_LIMIT: "role-limit",
        Wall.PG_DB_LIMIT: "database-limit",
    }
    worst = max(named, key=lambda wall: _count(evidence, wall))
    count = _count(evidence, worst)
    full = _count(evidence, Wall.PG_MAX_CONNECTIONS) + _count(evidence, Wall.PG_RESERVED)
    if count and count >= full:
        return _found(named[worst], "certain", _times(count, f"refused by {worst.value}"))
    return None


def _pooler(evidence: Evidence) -> Reasoned | None:
    clients = _count(evidence, Wall.PGB_MAX_CLIENT_CONN)
    waits = _count(evidence, Wall.PGB_QUERY_WAIT)
    logins = _count(evidence, Wall.PGB_SERVER_LOGIN)
    relayed = sum(
        count
        for (layer, wall), count in evidence.walls.items()
        if layer == "pgbouncer" and wall in (Wall.PG_MAX_CONNECTIONS.value, Wall.PG_RESERVED.value)
    )
    if relayed and relayed + waits + logins >= clients:
        return _found(
            "pooler-above-slots",
            "certain",
            _times(relayed, "PostgreSQL refused PgBouncer a connection"),
            _times(waits, "query_wait_timeout behind it"),
        )
    direct = _count(evidence, Wall.PG_MAX_CONNECTIONS) + _count(evidence, Wall.PG_RESERVED)
    if clients and clients >= waits + logins + direct:
        return _found("pooler-client-limit", "certain", _times(clients, "PgBouncer accepts no more clients"))
    away = _told(evidence, "pgb_connect_failed", "pgb_connect_timeout", "pgb_server_down_cold", "connection_refused")
    if (waits or logins) and away:
        return _found("server-down", "likely", _times(away, "PgBouncer could not reach the server"))
    if waits and waits >= logins + direct:
        pool_full = _told(evidence, "pgb_pool_full", "pgb_reserve_used")
        return _found(
            "pooler-starved",
            "likely",
            _times(waits, "query_wait_timeout"),
            _times(pool_full, "the pool was full"),
            _times(_told(evidence, "lock_wait"), "a session waited for a lock"),
        )
    if logins and logins > direct:
        return _found("server-down", "possible", _times(logins, "PgBouncer could not log in to the server"))
    return None


def _odoo_pool(evidence: Evidence) -> Reasoned | None:
    pool = _count(evidence, Wall.ODOO_POOL)
    server = _count(evidence, Wall.PG_MAX_CONNECTIONS) + _count(evidence, Wall.PG_RESERVED)
    if not pool or server > pool:
        return None
    leaks = _told(evidence, "leak_warning", "leak_recovered")
    if leaks:
        return _found(
            "leak", "likely", _times(leaks, "Odoo warns of cursors not closed"), _times(pool, "its own pool was full")
        )
    if evidence.gevent or evidence.kinds.get("gevent_retries", 0):
        return _found("gevent-pool-small", "likely", _times(pool, "the websocket process found its pool full"))
    size = f"db_maxconn is {evidence.pool_max}" if evidence.pool_max else ""
    return _found("odoo-pool-small", "likely", _times(pool, "an Odoo process found its own pool full"), size)


def _slots(evidence: Evidence) -> Reasoned | None:
    full = _count(evidence, Wall.PG_MAX_CONNECTIONS) + _count(evidence, Wall.PG_RESERVED)
    if not full:
        return None
    reason = _times(full, "PostgreSQL had no slot left")
    leaks = _told(evidence, "leak_warning", "leak_recovered")
    if leaks:
        return _found("leak", "likely", reason, _times(leaks, "Odoo warns of cursors not closed"))
    waits = _told(evidence, "lock_wait", "lock_timeout")
    if waits >= 3:
        return _found("lock-pileup", "likely", reason, _times(waits, "a session waited long for a lock"))
    starts = evidence.before.get("odoo_start", 0) + evidence.before.get("odoo_stop", 0)
    if starts:
        return _found("deploy-surge", "likely", reason, _times(starts, "Odoo started or stopped just before"))
    if evidence.jobs_just_begun >= MANY_JOBS:
        return _found(
            "cron-surge", "likely", reason, _times(evidence.jobs_just_begun, "a scheduled action began just before")
        )
    if evidence.databases >= 5:
        return _found("database-fanout", "possible", reason, f"{evidence.databases} databases were refused")
    return _found(
        "slots-exhausted", "likely", reason, "neither a leak, a restart nor waits for locks stand in the logs"
    )


def _down(evidence: Evidence) -> Reasoned | None:
    away = _told(evidence, "connection_refused", "connection_timeout", "network_unreachable", "dns")
    if away:
        return _found("server-down", "likely", _times(away, "the server could not be reached"))
    ended = evidence.kinds.get("admin_terminate", 0)
    if ended:
        return _found("server-restart", "possible", _times(ended, "terminated by an administrator"))
    return None
