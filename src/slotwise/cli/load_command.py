"""``slotwise load``: arguments only; the use cases are slotwise.commands.load_*."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from slotwise.load.ramp import Limits
    from slotwise.load.report import LoadReport

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path, dir_okay=False)
_BOUNDS = (
    click.option("--goal", "goal_text", metavar="GOAL", help="Such as users=200,p95=0.5 or rate=50; ends when met."),
    click.option("--duration", type=click.FloatRange(1, 14400), default=120.0, show_default=True, metavar="SECONDS",
                 help="No step goes beyond this."),
    click.option("--step-seconds", type=click.FloatRange(0.5, 600), default=5.0, show_default=True,
                 help="Measured part of each step."),
    click.option("--max-users", type=click.IntRange(1, 20000), default=500, show_default=True,
                 help="Never more users at once."),
    click.option("--max-rate", type=click.FloatRange(0.1, 100000), default=500.0, show_default=True,
                 help="Stop at so many requests a second."),
    click.option("--max-connections-used", type=click.IntRange(1), metavar="SLOTS",
                 help="Stop when so many slots of the server are in use, by anybody."),
    click.option("--users", "steps_text", metavar="N,N,...", help="Try these numbers of users instead of a ramp."),
    click.option("--pgbouncer", "consoles", multiple=True, metavar="DSN", help="PgBouncer admin console to read."),
    click.option("--target-is-staging", is_flag=True, help="Load it although it looks like production."),
    click.option("--format", "form", type=click.Choice(["text", "json", "html"]), default="text", show_default=True),
    click.option("--output", "-o", type=_FILE, metavar="FILE", help="Write the report to a file instead of stdout."),
)  # fmt: skip


def _bounds(function: F) -> F:
    for option in reversed(_BOUNDS):
        function = option(function)
    return function


@click.group("load")
def command() -> None:
    """Find the wall on a staging system before the users do: ramp users until it is met, and say where the knee is.

    It refuses targets that look like production, keeps within bounds of time, users, rate and connections, and leaves
    nothing behind. Exit code: 1 when a wall was met, a process leaks or the goal was missed.
    """


@command.command("connections")
@click.option("--dsn", required=True, metavar="DSN", help="PostgreSQL or PgBouncer to load, as an ordinary role.")
@click.option("--observe", metavar="DSN", help="PostgreSQL to look at, where --dsn is a PgBouncer.")
@click.option("--databases", metavar="NAME,NAME", help="Databases that the users work in [default: the one of --dsn].")
@click.option("--odoo-version", type=click.Choice(["17", "18", "19"]), default="18", show_default=True)
@click.option("--hosts", type=click.IntRange(1, 20), default=1, show_default=True, help="Equal Odoo hosts.")
@click.option("--workers", type=click.IntRange(1, 200), default=4, show_default=True, help="HTTP workers of a host.")
@click.option("--max-cron-threads", type=click.IntRange(0, 50), default=1, show_default=True)
@click.option("--db-maxconn", type=click.IntRange(1, 1000), default=64, show_default=True)
@click.option("--service", default="100ms:lognormal", show_default=True, help="How long a request holds its slot.")
@click.option("--think", default="1s:exponential", show_default=True, help="Pause of a user between two requests.")
@click.option("--rpc-ratio", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Share of JSON-RPC.")
@click.option("--action", metavar="DURATION", help="Length of a scheduled action [default: none run].")
@click.option("--action-every", type=click.FloatRange(0.1, 3600), default=10.0, show_default=True, metavar="SECONDS")
@click.option("--websockets", type=click.IntRange(0, 5000), default=0, show_default=True, help="Open browsers.")
@click.option("--leak-every", type=click.IntRange(0), default=0, help="Rehearse a leak: a cursor in each N requests.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same scenario.")
@_bounds
def connections(
    dsn: str,
    observe: str | None,
    databases: str | None,
    odoo_version: str,
    hosts: int,
    workers: int,
    max_cron_threads: int,
    db_maxconn: int,
    service: str,
    think: str,
    rpc_ratio: float,
    action: str | None,
    action_every: float,
    websockets: int,
    leak_every: int,
    seed: int,
    goal_text: str | None,
    consoles: tuple[str, ...],
    target_is_staging: bool,
    form: str,
    output: Path | None,
    **bounds: Any,
) -> int:
    """Load a PostgreSQL or a PgBouncer with stand-ins of Odoo's processes, without Odoo.

    The stand-ins take and give back connections as Odoo's HTTP workers, cron workers and gevent process do, and run
    no statement that changes anything. Durations are written 100ms, 0.5s or 100ms:exponential (constant, lognormal).
    """
    from slotwise.commands.load_connections import ConnectionsRequest, load_connections
    from slotwise.commands.load_output import writable
    from slotwise.load.ramp import Goal, goal
    from slotwise.load.visits import Scenario, duration

    scenario = Scenario(
        databases=tuple(name.strip() for name in (databases or "").split(",") if name.strip()),
        odoo_version=int(odoo_version),  # type: ignore[arg-type]
        hosts=hosts,
        workers=workers,
        max_cron_threads=max_cron_threads,
        db_maxconn=db_maxconn,
        service=duration(service),
        think=duration(think),
        rpc_ratio=rpc_ratio,
        action=None if action is None else duration(action),
        action_every_seconds=action_every,
        websockets=websockets,
        leak_every=leak_every,
        seed=seed,
    )
    request = ConnectionsRequest(
        dsn=dsn,
        scenario=scenario,
        limits=_limits(**bounds),
        goal=Goal() if goal_text is None else goal(goal_text),
        observe=observe,
        consoles=consoles,
        is_staging=target_is_staging,
    )
    if output is not None:
        writable(output)
    return _finish(load_connections(request, lambda line: click.echo(line, err=True)), form, output)


@command.command("compare")
@click.argument("a", type=_FILE)
@click.argument("b", type=_FILE)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def compare(a: Path, b: Path, form: str) -> int:
    """Run B beside run A, both written with --format json. Exit code: 1 when B is worse."""
    from slotwise.commands.load_output import compare_files, render_comparison

    comparison = compare_files(a, b)
    click.echo(render_comparison(comparison, form), nl=False)
    return int(comparison.worse)


def _limits(
    *,
    duration: float,
    step_seconds: float,
    max_users: int,
    max_rate: float,
    max_connections_used: int | None,
    steps_text: str | None,
) -> Limits:
    from slotwise.errors import OperatorError
    from slotwise.load.ramp import Limits

    numbers = [part.strip() for part in (steps_text or "").split(",") if part.strip()]
    if not all(number.isdigit() and int(number) > 0 for number in numbers):
        raise OperatorError(f"--users {steps_text} is no list of numbers", "write --users 1,2,5,10,20")
    return Limits(
        seconds=duration,
        step_seconds=step_seconds,
        users=max_users,
        per_second=max_rate,
        slots=max_connections_used,
        steps=tuple(int(number) for number in numbers),
    )


def _finish(report: LoadReport, form: str, output: Path | None) -> int:
    from slotwise.cli.looking import terminal
    from slotwise.commands.load_output import exit_code, render, write

    colour, width = terminal() if output is None else (False, 100)
    text = render(report, form, colour=colour, width=width)
    if output is None:
        click.echo(text, nl=False)
    else:
        write(text, output)
    return int(exit_code(report))
