"""The use case: find the knee and the wall with stand-in processes, without Odoo."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from slotwise import __version__
from slotwise.collectors.runner import Request
from slotwise.commands.load_target import inspected
from slotwise.errors import OperatorError
from slotwise.load.knee import knee
from slotwise.load.measures import Step
from slotwise.load.model import expected_peak, hosts_of, model_of_scenario, remedy_for
from slotwise.load.ramp import Goal, Limits
from slotwise.load.report import LoadReport, report_of
from slotwise.load.visits import Scenario
from slotwise.loadtest.connections import Target, run
from slotwise.loadtest.ending import Interrupted, ends_at_once


class ConnectionsRequest(Struct, frozen=True, kw_only=True):
    """What ``slotwise load connections`` was asked for. ``scenario.databases`` may be empty: the dsn's own database.

    ``observe`` is where the slots are looked at when ``dsn`` is a pooler's.
    """

    dsn: str
    scenario: Scenario
    limits: Limits = Limits()
    goal: Goal = Goal()
    observe: str | None = None
    consoles: tuple[str, ...] = ()
    is_staging: bool = False

    def __repr__(self) -> str:
        return f"ConnectionsRequest(scenario={self.scenario!r})"


def load_connections(request: ConnectionsRequest, say: Callable[[str], None], home: Path | None = None) -> LoadReport:
    """Run it and judge it. Raises OperatorError before anything is loaded when the target may be production or a bound
    would be broken."""
    target, database = target_of(request.dsn)
    scenario = request.scenario
    if not scenario.databases:
        from msgspec.structs import replace

        scenario = replace(scenario, databases=(database,))
    looking = Request(dsn=request.observe or request.dsn, pgbouncer_dsns=request.consoles, timeout_seconds=5.0)
    _check_bounds(scenario, request.limits)
    started_at, began = time.time(), time.monotonic()
    with ends_at_once():
        try:
            before = inspected(looking, scenario.databases, (target.host,), target.user, request.is_staging)
            outcome = run(
                scenario, target, looking, request.limits, request.goal, lambda step: say(step_line(step)), home
            )
        except Interrupted:
            raise KeyboardInterrupt from None
    if outcome.stop.reason == "interrupted" and not outcome.steps:
        raise KeyboardInterrupt
    pooled = bool(request.consoles)
    found = knee(outcome.steps, scenario.seed)
    return report_of(
        slotwise_version=__version__,
        kind="connections",
        subject=f"{scenario.hosts} × {scenario.workers} HTTP workers on {target.host}:{target.port}",
        started_at=started_at,
        seconds=time.monotonic() - began,
        scenario=said(scenario),
        steps=outcome.steps,
        stop=outcome.stop,
        wanted=request.goal,
        seed=scenario.seed,
        model=model_of_scenario(scenario, before, outcome.steps, pooled),
        remedy=remedy_for((hosts_of(scenario),), before, found, scenario.service.mean_seconds),
    )


def target_of(dsn: str) -> tuple[Target, str]:
    """Where a libpq connection string leads, and its database. Raises OperatorError where it cannot be read."""
    import os
    import pwd

    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        found = conninfo_to_dict(dsn)
    except ProgrammingError as error:
        # libpq's message may repeat a part of the string; the string may hold a password.
        raise OperatorError(
            "--dsn is no connection string", "host=... port=... user=... dbname=..., or a URI"
        ) from error

    def one(name: str, variable: str, default: str) -> str:
        return str(found.get(name) or os.environ.get(variable) or default)

    user = one("user", "PGUSER", pwd.getpwuid(os.getuid()).pw_name)
    port = one("port", "PGPORT", "5432")
    if not port.isdigit():
        raise OperatorError(f"--dsn: port {port!r} is no number", "name one host and one port")
    password = found.get("password") or os.environ.get("PGPASSWORD")
    target = Target(
        host=one("host", "PGHOST", "127.0.0.1"),
        port=int(port),
        user=user,
        password=None if password is None else str(password),
        sslmode=one("sslmode", "PGSSLMODE", "prefer"),
    )
    return target, one("dbname", "PGDATABASE", user)


def step_line(step: Step) -> str:
    """One line of progress."""
    latency = "" if step.latency is None else f", p95 {step.latency.p95 * 1000:.0f} ms"
    slots = "?" if step.slots.used is None else f"{step.slots.used} of {step.slots.usable}"
    failed = f", {step.failed} failed" if step.failed else ""
    return f"{step.users:>5} users: {step.throughput_per_second:7.1f} requests/s{latency}, slots {slots}{failed}"


def said(scenario: Scenario) -> dict[str, str | int | float | None]:
    """The scenario as names and values."""
    action = scenario.action
    return {
        "databases": ",".join(scenario.databases),
        "odoo_version": scenario.odoo_version,
        "hosts": scenario.hosts,
        "workers": scenario.workers,
        "max_cron_threads": scenario.max_cron_threads,
        "db_maxconn": scenario.db_maxconn,
        "service_seconds": scenario.service.mean_seconds,
        "service_shape": scenario.service.shape,
        "think_seconds": scenario.think.mean_seconds,
        "think_shape": scenario.think.shape,
        "rpc_ratio": scenario.rpc_ratio,
        "action_seconds": None if action is None else action.mean_seconds,
        "action_every_seconds": None if action is None else scenario.action_every_seconds,
        "websockets": scenario.websockets,
        "leak_every": scenario.leak_every,
        "seed": scenario.seed,
    }


def _check_bounds(scenario: Scenario, limits: Limits) -> None:
    peak = expected_peak(scenario)
    if limits.slots is not None and peak > limits.slots:
        raise OperatorError(
            f"this scenario may take {peak} connections, --max-connections-used allows {limits.slots}",
            "let fewer workers, scheduled actions or databases take part, or raise the bound",
        )
