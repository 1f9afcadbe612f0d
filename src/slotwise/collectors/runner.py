"""Runs every collector: each with its own duration and its own failure, all within one deadline."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, structs

from slotwise import __version__
from slotwise.collectors.assembly import (
    ConsoleVisit,
    PostgresVisit,
    with_consoles,
    with_postgres,
    with_refusals,
    with_settings_without_connection,
    without_connection,
)
from slotwise.collectors.attempts import (
    Attempt,
    Shop,
    address_of,
    pgbouncer_answer,
    postgres_answer,
    start_pgbouncer,
    start_postgres,
)
from slotwise.collectors.discovery import (
    Discovery,
    Plan,
    PoolerConsole,
    Surroundings,
    plan_for_address,
    plan_for_clients,
    pooler_at,
    reserve_targets,
)
from slotwise.collectors.earlier_look import EarlierLook
from slotwise.collectors.helper_process import workshop
from slotwise.collectors.host import look_at_host
from slotwise.collectors.host_evidence import HostEvidence
from slotwise.collectors.pg_failures import INVALID_DSN
from slotwise.collectors.pg_target import Target
from slotwise.collectors.pgbouncer_rows import pgbouncer_of_rows
from slotwise.collectors.process_limits import open_files_limit
from slotwise.collectors.queue_job import with_job_runners
from slotwise.collectors.remembered_host import RememberedHost
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.processes import ServerProcesses
from slotwise.snapshot.refusals import Refusals

_MARGIN_SECONDS = 0.6
_MARGIN_RATIO = 0.2
"""What is left of the deadline for putting the answer together: this many seconds, at most this part of it."""
_PATIENCE_RATIO = 0.2
"""What part of the deadline a file system may take that does not answer; Odoo's files and logs are asked one by one."""
_RESERVE_WALLS = frozenset(
    {"pg_reserved", "pg_role_limit", "pg_db_limit", "pgb_max_client_conn", "pgb_query_wait", "pgb_server_login"}
)
"""Walls that do not stand before a superuser on the server's own socket."""


class Request(Struct, frozen=True, kw_only=True):
    """What to look at. Without ``dsn`` and ``configs`` the running Odoo is found; ``offline`` makes no connection.

    ``timeout_seconds`` is for everything together. ``root`` is where the host's files are, ``/`` but in tests.
    """

    configs: tuple[str, ...] = ()
    dsn: str | None = None
    pgbouncer_dsns: tuple[str, ...] = ()
    log_files: tuple[str, ...] = ()
    offline: bool = False
    timeout_seconds: float = 5.0
    root: str = "/"

    def __repr__(self) -> str:
        return f"Request(offline={self.offline}, timeout_seconds={self.timeout_seconds})"


def collect(
    request: Request,
    *,
    clock: Callable[[], float] = time.time,
    shop: Shop | None = None,
    host: RememberedHost | None = None,
) -> tuple[Snapshot, Discovery]:
    """The Snapshot of what could be observed, and what was found on the way. ``shop`` is where it connects; without it
    every connection is made for this collection and closed after it. ``host`` spares most looks at this host where
    collection follows on collection.

    Raises OperatorError where the request itself is wrong: a connection string or a file that cannot be read.
    """
    run = _Run(request, clock())
    if request.offline:
        snapshot, found = run.offline()
    elif shop is not None:
        snapshot, found = run.connected(shop, host or RememberedHost(lambda earlier: host_of(request, earlier)))
    else:
        with workshop() as own:
            snapshot, found = run.connected(own, RememberedHost(lambda earlier: host_of(request, earlier)))
    return with_job_runners(snapshot), found


class _Run:
    """One collection on its way."""

    def __init__(self, request: Request, taken_at: float) -> None:
        self._request = request
        self._taken_at = taken_at
        margin = min(_MARGIN_SECONDS, request.timeout_seconds * _MARGIN_RATIO)
        self._end = time.monotonic() + request.timeout_seconds - margin

    def _left(self) -> float:
        return max(0.0, self._end - time.monotonic())

    def offline(self) -> tuple[Snapshot, Discovery]:
        host = host_of(self._request)
        plan = plan_for_clients(host.clients, host.surroundings)
        reason, remedy = "no connection was made (--offline)", "run without --offline"
        snapshot = without_connection(self._snapshot(host, plan), reason, remedy)
        snapshot = structs.replace(snapshot, pgbouncers=Unavailable("PgBouncer admin console", reason, remedy))
        return self._completed(snapshot, host, plan), Discovery(plan.sentences)

    def connected(self, shop: Shop, looks: RememberedHost) -> tuple[Snapshot, Discovery]:
        request = self._request
        first = self._start(shop, Target("--dsn", request.dsn)) if request.dsn else None
        given = [
            (PoolerConsole("--pgbouncer", (target,)), start_pgbouncer(shop, target, self._left()))
            for target in (Target("--pgbouncer", dsn) for dsn in request.pgbouncer_dsns)
        ]
        # The driver is imported over there while this process looks at the host.
        host = looks.evidence()
        address = address_of(shop, first, self._left()) if first is not None else None
        plan = self._plan(host, first is not None, address)
        if first is None:
            if plan.target is None:
                raise OperatorError("; ".join(plan.sentences), "give --dsn or --config")
            first = self._start(shop, plan.target)
        found = () if request.pgbouncer_dsns else plan.consoles
        started = [(c, start_pgbouncer(shop, c.targets[0], self._left())) for c in found if c.targets]
        visits = self._visits(shop, first, plan, host)
        consoles = [self._console(shop, c, a, host.surroundings) for c, a in (*given, *started)]
        snapshot = self._joined(host, plan, visits, consoles)
        if not looks.agrees(snapshot):
            host = looks.anew()
            plan = self._plan(host, request.dsn is not None, address)
            snapshot = self._joined(host, plan, visits, consoles)
            looks.agrees(snapshot)
        answer = visits[0].answer
        sentences = plan.sentences
        if answer.through_pooler:
            sentences = (*sentences, f"{answer.address} is a pooler: what is behind it was read through it")
        return snapshot, Discovery(sentences, () if answer.through_pooler else (first.target, *plan.others))

    def _plan(self, host: HostEvidence, named: bool, address: str | None) -> Plan:
        """The way to the server: the one that was ``named``, which is at ``address``, else the one that Odoo uses."""
        if not named:
            plan = plan_for_clients(host.clients, host.surroundings)
        else:
            plan = plan_for_address(address, host.clients, host.surroundings)
        # Who names both a file and a server says that they belong together.
        return structs.replace(plan, elsewhere=()) if self._request.configs else plan

    def _joined(
        self, host: HostEvidence, plan: Plan, visits: list[PostgresVisit], consoles: list[ConsoleVisit]
    ) -> Snapshot:
        snapshot = with_postgres(self._snapshot(host, plan), visits, self._taken_at)
        return self._completed(with_consoles(snapshot, consoles), host, plan)

    def _visits(self, shop: Shop, first: Attempt, plan: Plan, host: HostEvidence) -> list[PostgresVisit]:
        """Every way in that was tried, in order: as told, as another role where that one may not log in, by the
        reserve."""
        answer, seconds = postgres_answer(shop, first)
        if answer.failure is not None and answer.failure.kind == INVALID_DSN:
            raise OperatorError(answer.failure.text, answer.failure.remedy)
        visits = [PostgresVisit(first.target.named, answer, seconds)]
        here = host.surroundings
        postmaster = next((s for s in here.servers if s.pid == plan.server), None)
        further = plan.others
        if answer.failure is None or answer.failure.kind != "authentication":
            further = ()
        if answer.failure is not None and answer.failure.wall in _RESERVE_WALLS and postmaster and here.may_become:
            further = reserve_targets(postmaster, here.owners.get(postmaster.pid))
        for target in further:
            again, seconds = postgres_answer(shop, self._start(shop, target))
            visits.append(PostgresVisit(target.named, again, seconds))
            if again.failure is None or again.failure.kind != "authentication":
                break
        return visits

    def _start(self, shop: Shop, target: Target) -> Attempt:
        return start_postgres(shop, target, self._taken_at, self._left())

    def _console(self, shop: Shop, console: PoolerConsole, attempt: Attempt, here: Surroundings) -> ConsoleVisit:
        """A console by the first way in that is let in."""
        total = 0.0
        targets = list(console.targets)
        while True:
            answer, seconds = pgbouncer_answer(shop, attempt)
            total += seconds
            targets = targets[1:]
            if answer.failure is None or answer.failure.kind == INVALID_DSN or not targets:
                break
            attempt = start_pgbouncer(shop, targets[0], self._left())
        named = f"{console.named} {answer.address or ''}".strip()
        if answer.failure is not None and answer.failure.kind == INVALID_DSN:
            raise OperatorError(answer.failure.text, answer.failure.remedy)
        if answer.shown is None:
            failure = answer.failure
            reason = failure.text if failure else "no answer"
            remedy = "add the user to stats_users in pgbouncer.ini, or give --pgbouncer DSN with one that is there"
            if failure is not None and failure.kind != "authentication" and failure.kind != "other":
                remedy = failure.remedy
            return ConsoleVisit(named, Unavailable("PgBouncer admin console", reason, remedy), total)
        local = pooler_at(answer.address or "", here)
        pid = local.pid if local is not None else console.pid
        ini = local.ini if local is not None else console.ini
        seen = pgbouncer_of_rows(
            answer.shown,
            address=answer.address,
            pid=pid,
            config_file=local.config_file if local is not None else console.config_file,
            process_limit_nofile=open_files_limit(pid, Path(self._request.root)) if pid is not None else None,
            wildcard=ini.wildcard if ini else None,
            wildcard_pool_mode=ini.wildcard_pool_mode if ini else None,
        )
        return ConsoleVisit(named, seen, total)

    def _snapshot(self, host: HostEvidence, plan: Plan) -> Snapshot:
        servers = host.server_processes
        if isinstance(servers, ServerProcesses):
            servers = structs.replace(servers, chosen=plan.server)
        return Snapshot(
            taken_at=self._taken_at,
            host=platform.node(),
            slotwise_version=__version__,
            sources=host.reports,
            processes=host.processes,
            server_processes=servers,
            sockets=host.sockets,
            memory=host.memory,
            machine=host.machine,
            odoo=_without(host.odoo, plan.elsewhere),
        )

    def _completed(self, snapshot: Snapshot, host: HostEvidence, plan: Plan) -> Snapshot:
        """With what the host shows of the server that was chosen."""
        server = plan.server
        if server is not None and server in host.titles:
            snapshot = structs.replace(snapshot, titles=host.titles[server])
        else:
            reason = "the server does not run on this host, or which one it is was not known yet"
            gap = Unavailable("process titles", reason, "run doctor on its host")
            snapshot = structs.replace(snapshot, titles=gap)
        if server is not None and server in host.settings:
            snapshot = with_settings_without_connection(snapshot, host.settings[server])
        if isinstance(host.refusals, Unavailable):
            return snapshot
        foreign = _foreign_logs(host.odoo, plan.elsewhere) - set(self._request.log_files)
        return with_refusals(snapshot, _without_logs(host.refusals, foreign))


def _without(odoo: Odoo | Unavailable, elsewhere: tuple[str, ...]) -> Odoo | Unavailable:
    """The instances that may use the server that was looked at: the demand of the others is not its demand."""
    if isinstance(odoo, Unavailable) or not elsewhere:
        return odoo
    kept = tuple(i for i in odoo.instances if i.id not in elsewhere)
    if not kept:
        reason = f"the Odoo that was found uses another server ({', '.join(elsewhere)})"
        return Unavailable("Odoo configuration", reason, "give --config FILE of the Odoo that uses this server")
    return structs.replace(odoo, instances=kept)


def _foreign_logs(odoo: Odoo | Unavailable, elsewhere: tuple[str, ...]) -> set[str]:
    """The logs that only instances on other servers write: what was refused there, this server did not refuse."""
    instances = odoo.instances if isinstance(odoo, Odoo) else ()
    logs = {i.id: str(i.value("logfile")) for i in instances}
    return {log for id_, log in logs.items() if id_ in elsewhere} - {
        log for id_, log in logs.items() if id_ not in elsewhere
    }


def _without_logs(refusals: Refusals, logs: set[str]) -> Refusals:
    kept = tuple(r for r in refusals.refusals if r.source not in logs)
    return structs.replace(refusals, refusals=kept, looked_in=tuple(n for n in refusals.looked_in if n not in logs))


def host_of(request: Request, earlier: EarlierLook | None = None) -> HostEvidence:
    """What this host shows now, with what still stands of an ``earlier`` look. Raises OperatorError where the request
    itself is wrong."""
    return look_at_host(
        root=Path(request.root),
        configs=request.configs,
        log_files=request.log_files,
        patience_seconds=request.timeout_seconds * _PATIENCE_RATIO,
        earlier=earlier,
    )
