"""SW208 listener-missing."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.routes import Routes
from slotwise.findings import Finding, Fix, RestartProcess, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import Clock, cite, cite_option
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.holders import unseen_owners
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.ownership import Held, Sessions
from slotwise.snapshot.postgres import Activity, Server
from slotwise.snapshot.processes import Process, Processes, Sockets
from slotwise.snapshot.session_kinds import MAINTENANCE_DATABASE

SETTLED_SECONDS = 60.0
"""A cron worker listens as soon as it runs; the bus sleeps 50 s after an error (addons/bus/models/bus.py)."""


@rule("SW208", Severity.WARNING)
def listener_missing(
    sessions: Sessions,
    processes: Processes,
    sockets: Sockets,
    odoo: Odoo,
    routes: Routes,
    clock: Clock,
    server: Server | None,
    activity: Activity | None,
) -> Iterator[Finding]:
    """A process that should LISTEN on database postgres does not.

    **Why it matters.** Nothing fails and nothing is logged: scheduled actions that were triggered start up to a minute
    late, or never in a threaded Odoo 17 or 18, where the thread ends with its connection. Without the bus's session
    live chat and notifications stand still.

    **Evidence.** Each cron worker process keeps one session on `postgres` (`LISTEN cron_trigger`), a threaded Odoo one
    per cron thread (odoo/service/server.py, 17.0 to 19.0). Processes are joined by socket. A process or server that
    started within the last minute is not judged, nor an instance behind a pooler (see
    listen-through-transaction-pool). The bus's session exists only once a browser has subscribed, so its absence proves
    nothing and is not reported.

    **Fix.** Replace the worker; restart a threaded Odoo. Then find what ended the session: idle_session_timeout
    (harmful-timeouts), a nightly pg_terminate_backend, a firewall that drops idle connections.

    **When to ignore it.** When ODOO_NOTIFY_FUNCTION or an addon routes notifications another way.
    """
    shift = activity.shift_seconds if activity is not None else 0.0
    if server is not None and server.started_at is not None and _young(server.started_at + shift, clock):
        return
    gap = _unsure(sessions, processes, odoo)
    if gap is not None:
        raise MissingEvidence(gap)
    for instance in odoo.instances:
        route = routes.of(instance.id)
        mine = [p for p in processes.processes if p.instance == instance.id]
        if route is None or route.kind != "direct" or not mine:
            continue
        if not any(h.owner.instance == instance.id for h in sessions.held):
            continue
        yield from _threaded(instance, mine, sessions, clock)
        yield from _prefork(mine, sessions, clock)


def _young(started_at: float | None, clock: Clock) -> bool:
    age = clock.age_seconds(started_at)
    return age is not None and age < SETTLED_SECONDS


def _listening(process: Process, sessions: Sessions) -> int:
    return sum(1 for h in sessions.held if h.owner.pid == process.pid and _may_listen(h))


def _may_listen(held: Held) -> bool:
    """Whether the session may be a LISTEN: any of these processes keeps nothing else open on `postgres`."""
    return held.backend.database in (MAINTENANCE_DATABASE, None)


def _prefork(mine: list[Process], sessions: Sessions, clock: Clock) -> Iterator[Finding]:
    workers = [p for p in mine if p.role == "cron_worker"]
    silent = [p for p in workers if not _young(p.started_at, clock) and _listening(p, sessions) == 0]
    for worker in silent:
        age = clock.age_seconds(worker.started_at)
        since = f", {age:.0f} s after its start" if age is not None else ""
        yield Finding(
            f"cron_worker {worker.pid} has no session on postgres{since}: it does not hear when a job is triggered",
            (
                cite("sessions on postgres", 0, sessions.source),
                cite("cron workers", len(workers), "process list"),
            ),
            Fix(
                f"have cron_worker {worker.pid} replaced by its master, then find what ended its session",
                (RestartProcess(worker.pid, None, "its LISTEN session is gone"),),
                "the job that it runs at that moment is ended",
            ),
            subject=f"cron_worker {worker.pid}",
        )


def _threaded(instance: OdooInstance, mine: list[Process], sessions: Sessions, clock: Clock) -> Iterator[Finding]:
    for process in (p for p in mine if p.role == "threaded" and not _young(p.started_at, clock)):
        expected, found = instance.integer("max_cron_threads"), _listening(process, sessions)
        if found >= expected:
            continue
        forever = " and will not come back before a restart" if instance.major in (17, 18) else ""
        yield Finding(
            f"threaded Odoo {process.pid} keeps {found} sessions on postgres where its {expected} cron threads need"
            f" {expected}: a thread lost its connection{forever}",
            (
                cite("sessions on postgres", found, sessions.source),
                cite_option(instance, "max_cron_threads"),
                cite("version", instance.version, instance.version_source or "not known"),
            ),
            Fix(
                "restart this Odoo, then find what ended the session",
                (RestartProcess(None, instance.id, "a cron thread lost its LISTEN session"),),
                "its users are interrupted",
            ),
            subject=f"threaded {process.pid}",
        )


def _unsure(sessions: Sessions, processes: Processes, odoo: Odoo) -> Unavailable | None:
    if not processes.complete:
        reason = "the sockets of some processes could not be read"
        return Unavailable(processes.source, reason, "run slotwise as root on the host where Odoo runs")
    return unseen_owners(sessions, odoo.users)
