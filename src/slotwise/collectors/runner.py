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
    plan_for_clients,
    pooler_at,
    reserve_targets,
    server_at,
)
from slotwise.collectors.helper_process import workshop
from slotwise.collectors.host import look_at_host
from slotwise.collectors.host_evidence import HostEvidence
from slotwise.collectors.isolation import Workshop
from slotwise.collectors.pg_failures import INVALID_DSN
from slotwise.collectors.pg_session import PostgresAnswer
from slotwise.collectors.pg_target import Target
from slotwise.collectors.pgbouncer_rows import pgbouncer_of_rows
from slotwise.collectors.process_limits import open_files_limit
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.processes import ServerProcesses
from slotwise.snapshot.refusals import Refusals

_MARGIN_SECONDS = 0.3
_MARGIN_RATIO = 0.1
"""What is left of the deadline for putting the answer together: this many seconds, at most this part of it."""
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


def collect(request: Request, *, clock: Callable[[], float] = time.time) -> tuple[Snapshot, Discovery]:
    """The Snapshot of what could be observed, and what was found on the way.

    Raises OperatorError where the request itself is wrong: a connection string or a file that cannot be read.
    """
    run = _Run(request, clock())
    if request.offline:
        return run.offline()
    with workshop() as shop:
        return run.connected(shop)


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
        host = _host(self._request)
        plan = plan_for_clients(host.clients, host.surroundings)
        reason, remedy = "no connection was made (--offline)", "run without --offline"
        snapshot = without_connection(self._snapshot(host, plan.server), reason, remedy)
        snapshot = structs.replace(snapshot, pgbouncers=Unavailable("PgBouncer admin console", reason, remedy))
        return self._completed(snapshot, host, plan.server), Discovery(plan.sentences)

    def connected(self, shop: Workshop) -> tuple[Snapshot, Discovery]:
        request = self._request
        first = self._start(shop, Target("--dsn", request.dsn)) if request.dsn else None
        named = [
            (PoolerConsole("--pgbouncer", (target,)), start_pgbouncer(shop, target, self._left()))
            for target in (Target("--pgbouncer", dsn) for dsn in request.pgbouncer_dsns)
        ]
        # The driver is imported over there while this process looks at the host.
        host = _host(request)
        plan = plan_for_clients(host.clients, host.surroundings) if first is None else Plan(None, (), None, ())
        if first is None:
            if plan.target is None:
                raise OperatorError("; ".join(plan.sentences), "give --dsn or --config")
            first = self._start(shop, plan.target)
        found = [] if request.pgbouncer_dsns else list(plan.consoles)
        consoles = [
            *named,
            *(
                (console, start_pgbouncer(shop, console.targets[0], self._left()))
                for console in found
                if console.targets
            ),
        ]
        answer, seconds = postgres_answer(shop, first)
        _refuse_bad_dsn(answer)
        server = plan.server if plan.server is not None else _server_of(answer, host)
        visits = [PostgresVisit(first.target.named, answer, seconds), *self._by_reserve(shop, answer, host, server)]
        snapshot = with_postgres(self._snapshot(host, server), visits, self._taken_at)
        snapshot = with_consoles(snapshot, [self._console(shop, c, a, host.surroundings) for c, a in consoles])
        sentences = plan.sentences
        if answer.through_pooler:
            sentences = (*sentences, f"{answer.address} is a pooler: what is behind it was read through it")
        return self._completed(snapshot, host, server), Discovery(sentences)

    def _start(self, shop: Workshop, target: Target) -> Attempt:
        return start_postgres(shop, target, self._taken_at, self._left())

    def _by_reserve(
        self, shop: Workshop, answer: PostgresAnswer, host: HostEvidence, server: int | None
    ) -> list[PostgresVisit]:
        """After a wall that stands before ordinary roles only: in as the OS superuser, where this process is root."""
        here = host.surroundings
        postmaster = next((s for s in here.servers if s.pid == server), None)
        refused = answer.failure is not None and answer.failure.wall in _RESERVE_WALLS
        if not refused or postmaster is None or not here.may_become:
            return []
        visits: list[PostgresVisit] = []
        for target in reserve_targets(postmaster, here.owners.get(postmaster.pid)):
            attempt = self._start(shop, target)
            again, seconds = postgres_answer(shop, attempt)
            visits.append(PostgresVisit(target.named, again, seconds))
            if again.parts is not None or again.failure is None or again.failure.kind != "authentication":
                break
        return visits[-1:]

    def _console(self, shop: Workshop, console: PoolerConsole, attempt: Attempt, here: Surroundings) -> ConsoleVisit:
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

    def _snapshot(self, host: HostEvidence, server: int | None) -> Snapshot:
        servers = host.server_processes
        if isinstance(servers, ServerProcesses):
            servers = structs.replace(servers, chosen=server)
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
            odoo=host.odoo,
        )

    def _completed(self, snapshot: Snapshot, host: HostEvidence, server: int | None) -> Snapshot:
        """With what the host shows of the server that was chosen."""
        if server is not None and server in host.titles:
            snapshot = structs.replace(snapshot, titles=host.titles[server])
        else:
            gap = Unavailable("process titles", "the server does not run on this host", "run doctor on its host")
            snapshot = structs.replace(snapshot, titles=gap)
        if server is not None and server in host.settings:
            snapshot = with_settings_without_connection(snapshot, host.settings[server])
        return with_refusals(snapshot, host.refusals) if isinstance(host.refusals, Refusals) else snapshot


def _refuse_bad_dsn(answer: PostgresAnswer) -> None:
    if answer.failure is not None and answer.failure.kind == INVALID_DSN:
        raise OperatorError(answer.failure.text, answer.failure.remedy)


def _server_of(answer: PostgresAnswer, host: HostEvidence) -> int | None:
    """The postmaster on this host that a connection string led to, where it is here."""
    if answer.address is None or answer.through_pooler:
        return None
    place, _, port = answer.address.rpartition("." if answer.address.startswith("/") else ":")
    directory = place.removesuffix("/.s.PGSQL") if place.startswith("/") else place
    server = server_at(directory, int(port), host.surroundings) if port.isdigit() else None
    return server.pid if server is not None else None


def _host(request: Request) -> HostEvidence:
    """What this host shows."""
    return look_at_host(root=Path(request.root), configs=request.configs, log_files=request.log_files)
