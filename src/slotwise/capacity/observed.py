"""What an Odoo instance is seen to do: which databases its workers hold connections on, and what runs beside them.

A count of connections is no measure of demand (HTTP workers hold none until their first request), but which databases
a worker has served is: a pooled connection stays for ten idle minutes and longer (odoo/sql_db.py ``borrow``,
17.0:629-689, 18.0:670-731, 19.0:628-692).
"""

from __future__ import annotations

from msgspec import Struct

from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.ownership import Held, Sessions
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.postgres import Databases
from slotwise.snapshot.processes import Process, Processes, ProcessRole
from slotwise.snapshot.session_kinds import NEVER_POOLED, is_queue_job_runner
from slotwise.snapshot.sessions import joiner, sessions

SERVING_ROLES = frozenset({"http_worker", "threaded"})
ODOO_ROLES = frozenset({"master", "http_worker", "cron_worker", "gevent", "threaded", "shell", "queue_job", "cli"})

POOL_IDLE_SECONDS = 600.0
"""MAX_IDLE_TIMEOUT of Odoo's pool (odoo/sql_db.py 17.0:53, 18.0:76, 19.0:84)."""


class Connection(Struct, frozen=True):
    """One connection of an Odoo process, to PostgreSQL or to a PgBouncer."""

    pid: int
    role: ProcessRole
    database: str | None


class Observed(Struct, frozen=True):
    """One instance at one moment.

    ``warm``: at least half of the HTTP workers (or the threaded process) hold a connection on an application database,
    so that ``in_use`` and ``per_worker`` (the most databases that one of them holds) say what ordinary work needs.
    ``settled``: one of them has served for as long as a pool keeps what it does not use, so that ``per_worker`` has
    stopped growing with the age of the processes alone.
    """

    warm: bool
    settled: bool
    in_use: tuple[str, ...]
    per_worker: int
    queue_job_databases: int
    shells: int
    raw_connections: int


def observed(instance: OdooInstance, snapshot: Snapshot) -> Observed:
    """What the snapshot shows of ``instance``; with processes or sockets missing it is simply not warm."""
    processes = [p for p in all_processes(snapshot) if p.instance == instance.id]
    held = [h for h in _held(snapshot) if h.owner.instance == instance.id]
    connections = [Connection(h.owner.pid or 0, h.owner.role, h.backend.database) for h in held]
    connections += _pooler_clients(instance, snapshot)
    served: dict[int, set[str]] = {p.pid: set() for p in processes if p.role in SERVING_ROLES}
    for connection in connections:
        if connection.role in SERVING_ROLES and _is_application(connection.database):
            served.setdefault(connection.pid, set()).add(connection.database or "")
    in_use = {c.database for c in connections if c.database is not None and _is_application(c.database)}
    warm = bool(served) and 2 * sum(1 for names in served.values() if names) >= len(served)
    ages = [snapshot.taken_at - p.started_at for p in processes if p.role in SERVING_ROLES and p.started_at is not None]
    return Observed(
        warm=warm,
        settled=max(ages, default=0.0) >= POOL_IDLE_SECONDS,
        in_use=tuple(sorted(in_use)),
        per_worker=max((len(names) for names in served.values()), default=0),
        queue_job_databases=_queue_jobs(processes, held, len(in_use)),
        shells=sum(1 for p in processes if p.role in ("shell", "cli")),
        raw_connections=sum(1 for h in held if h.backend.application_name == "" and not is_queue_job_runner(h)),
    )


def _is_application(database: str | None) -> bool:
    return database is not None and database not in NEVER_POOLED


def all_processes(snapshot: Snapshot) -> tuple[Process, ...]:
    """The processes of the snapshot; none where they could not be read."""
    return snapshot.processes.processes if isinstance(snapshot.processes, Processes) else ()


def _held(snapshot: Snapshot) -> tuple[Held, ...]:
    seen = sessions(snapshot)
    return seen.held if isinstance(seen, Sessions) else ()


def _pooler_clients(instance: OdooInstance, snapshot: Snapshot) -> list[Connection]:
    if not isinstance(snapshot.pgbouncers, PgBouncers):
        return []
    join = joiner(snapshot)
    found = []
    for client in (c for pgbouncer in snapshot.pgbouncers.pgbouncers for c in pgbouncer.clients):
        process = join.client_process(client)
        if process is not None and process.instance == instance.id:
            found.append(Connection(process.pid, process.role, client.database))
    return found


def _queue_jobs(processes: list[Process], held: list[Held], in_use: int) -> int:
    """Databases that OCA queue_job's runner listens on: one raw session each (queue_job/jobrunner/runner.py)."""
    listening = len({h.backend.database for h in held if is_queue_job_runner(h)})
    runs = any(p.role == "queue_job" for p in processes)
    return max(listening, max(1, in_use)) if runs else listening


def other_sessions(snapshot: Snapshot, pooled: bool) -> int | None:
    """Sessions that are no Odoo instance's: monitoring, backup, BI, a DBA. None where nobody could see sessions.

    A session whose client is gone ends by itself and is no demand. Behind a PgBouncer that Odoo uses (``pooled``) its
    sessions are counted with it. One with Odoo's own role whose owner cannot be seen is taken for Odoo's.
    """
    seen = sessions(snapshot)
    if not isinstance(seen, Sessions):
        return None
    roles = role_names(snapshot)
    return sum(1 for held in seen.held if _is_other(held, roles, pooled))


def _is_other(held: Held, roles: frozenset[str], pooled: bool) -> bool:
    owner = held.owner
    if owner.certainty == "orphan" or owner.instance is not None or owner.role in ODOO_ROLES:
        return False
    if owner.name == "pgbouncer":
        return not pooled
    return owner.certainty != "unknown" or held.backend.user not in roles


def role_names(snapshot: Snapshot) -> frozenset[str]:
    """The roles that Odoo logs in as: ``db_user``, and whoever holds the sessions of its processes."""
    if not isinstance(snapshot.odoo, Odoo):
        return frozenset()
    return frozenset(role for i in snapshot.odoo.instances if (role := role_of(i, snapshot)) is not None)


def role_of(instance: OdooInstance, snapshot: Snapshot) -> str | None:
    """The PostgreSQL role of one instance: ``db_user``, else the user of the sessions that its processes hold."""
    configured = instance.value("db_user")
    if isinstance(configured, str) and configured:
        return configured
    users = {h.backend.user for h in _held(snapshot) if h.owner.instance == instance.id and h.backend.user}
    return users.pop() if len(users) == 1 else None


def databases_to_serve(instance: OdooInstance, snapshot: Snapshot) -> tuple[tuple[str, ...] | None, bool]:
    """The databases that an instance may come to serve, and whether that is certain. None: nobody can tell.

    ``db_name`` if it lists any; else the databases that its role owns, which is what ``list_dbs`` asks for
    (odoo/service/db.py 17.0:405-415, 18.0 the same, 19.0:438-447). Where owners were not read, all that allow
    connections: an upper bound.
    """
    if instance.pinned_databases:
        return instance.pinned_databases, True
    if not isinstance(snapshot.databases, Databases):
        return None, False
    return databases_of_role(snapshot.databases, role_of(instance, snapshot), instance.value("db_template"))


def databases_of_role(databases: Databases, role: str | None, template: object) -> tuple[tuple[str, ...], bool]:
    """The application databases that ``role`` owns, and True; or all that allow connections, and False, where the role
    or an owner is not known."""
    candidates = [
        d
        for d in databases.databases
        if d.allows_connections and not d.is_template and d.name not in NEVER_POOLED and d.name != template
    ]
    if role is not None and all(d.owner is not None for d in candidates):
        return tuple(d.name for d in candidates if d.owner == role), True
    return tuple(d.name for d in candidates), not candidates
