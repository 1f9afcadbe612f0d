"""``slotwise load``: arguments only; the use cases are slotwise.commands.load_*."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from slotwise.load.people import People
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


_PEOPLE = (
    click.option("--url", required=True, help="The web client's address, such as http://staging.example.com:8069."),
    click.option("--databases", required=True, metavar="NAME,NAME", help="Databases that the users work in."),
    click.option("--login", "logins", multiple=True, metavar="LOGIN", help="Repeat for more [default: admin]."),
    click.option("--password-file", type=_FILE, help="Their password; else SLOTWISE_LOAD_PASSWORD is read."),
    click.option("--think", default="5s", show_default=True, help="Mean pause of a user between two requests."),
    click.option("--rpc-ratio", type=click.FloatRange(0, 1), default=0.1, show_default=True,
                 help="Share of users that are programs calling RPC."),
    click.option("--rpc", type=click.Choice(["json", "xml"]), default="json", show_default=True),
    click.option("--websocket-ratio", type=click.FloatRange(0, 1), default=1.0, show_default=True,
                 help="Share of browsers that hold a websocket."),
    click.option("--websocket-url", metavar="URL", help="Where it is, if not beside --url."),
    click.option("--read-only", is_flag=True, help="Create no records and post no messages."),
    click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same users."),
)  # fmt: skip


def _people(function: F) -> F:
    for option in reversed(_PEOPLE):
        function = option(function)
    return function


@command.command("http")
@_people
@click.option("--observe", metavar="DSN", help="Odoo's PostgreSQL, to see who holds the slots.")
@click.option("--log", "logs", multiple=True, metavar="FILE", help="odoo.log, to see what was refused.")
@click.option("--generators", type=click.IntRange(1, 64), default=1, show_default=True, help="Locust processes here.")
@click.option("--remote-workers", type=click.IntRange(0, 64), default=0, help="`slotwise load worker` elsewhere.")
@click.option("--bind", default="127.0.0.1", show_default=True, help="Where remote workers come to.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Its port [default: a free one].")
@click.option("--keep-records", is_flag=True, help="Leave what the users have created.")
@click.option("--cleanup", is_flag=True, help="Load nothing: remove what earlier tests have left, and end.")
@_bounds
def http(
    observe: str | None,
    logs: tuple[str, ...],
    generators: int,
    remote_workers: int,
    bind: str,
    port: int,
    keep_records: bool,
    cleanup: bool,
    goal_text: str | None,
    consoles: tuple[str, ...],
    target_is_staging: bool,
    form: str,
    output: Path | None,
    **rest: Any,
) -> int:
    """Load a staging Odoo 17, 18 or 19 with users over HTTP: they log in, search, read, open forms, create records,
    hold a websocket, post in a channel, and call RPC.

    What they create is marked and removed at the end, after ^C too. It needs the extra: pip install 'slotwise[load]'.
    """
    from slotwise.commands.load_http import HttpRequest, load_http, remove_records
    from slotwise.commands.load_output import writable
    from slotwise.load.ramp import Goal, goal

    people, password, bounds = _who(**rest)

    def say(line: str) -> None:
        click.echo(line, err=True)

    if cleanup:
        remove_records(people, password, target_is_staging, say)
        return 0
    request = HttpRequest(
        people=people,
        password=password,
        limits=_limits(**bounds),
        goal=Goal() if goal_text is None else goal(goal_text),
        observe=observe,
        consoles=consoles,
        logs=logs,
        is_staging=target_is_staging,
        generators=generators,
        remote_workers=remote_workers,
        bind=bind,
        port=port,
        keep_records=keep_records,
    )
    if output is not None:
        writable(output)
    return _finish(load_http(request, say), form, output)


@command.command("worker")
@click.option("--master", required=True, metavar="HOST:PORT", help="Where `slotwise load http` waits for workers.")
@_people
def worker(master: str, **rest: Any) -> int:
    """Generate load on this machine for a `slotwise load http --remote-workers` on another one.

    Give it the same options for the users as the other one has; it ends with it.
    """
    from slotwise.commands.load_worker import serve

    people, password, _ = _who(**rest)
    return serve(master, people, password)


@command.command("export")
@_people
@click.option("--k6", type=_FILE, metavar="FILE", help="Write a script for k6.")
@click.option("--locust", type=_FILE, metavar="FILE", help="Write a locustfile.")
@click.option("--step-seconds", type=click.FloatRange(0.5, 600), default=60.0, show_default=True)
@click.option("--duration", type=click.FloatRange(1, 14400), default=600.0, show_default=True, metavar="SECONDS")
@click.option("--max-users", type=click.IntRange(1, 20000), default=500, show_default=True)
def export(
    k6: Path | None, locust: Path | None, step_seconds: float, duration: float, max_users: int, **rest: Any
) -> int:
    """Write the same users as a k6 script or a locustfile, for those who have their own harness. No password is
    written."""
    from slotwise.commands.load_export import export as write_files
    from slotwise.errors import OperatorError
    from slotwise.load.ramp import Limits

    if k6 is None and locust is None:
        raise OperatorError("nothing to write", "give --k6 FILE, --locust FILE or both")
    people, _password, _ = _who(needs_password=False, **rest)
    limits = Limits(seconds=duration, step_seconds=step_seconds, users=max_users)
    for path in write_files(people, limits, k6, locust):
        click.echo(f"{path} written", err=True)
    return 0


def _who(
    *,
    url: str,
    databases: str,
    logins: tuple[str, ...],
    password_file: Path | None,
    think: str,
    rpc_ratio: float,
    rpc: str,
    websocket_ratio: float,
    websocket_url: str | None,
    read_only: bool,
    seed: int,
    needs_password: bool = True,
    **bounds: Any,
) -> tuple[People, str, dict[str, Any]]:
    """The users, their password, and what else was given."""
    import os
    from datetime import datetime, timezone

    from slotwise.errors import OperatorError
    from slotwise.load.people import People
    from slotwise.load.visits import duration

    names = tuple(name.strip() for name in databases.split(",") if name.strip())
    if not names:
        raise OperatorError("--databases names none", "write --databases staging")
    password = os.environ.get("SLOTWISE_LOAD_PASSWORD")
    if password_file is not None:
        try:
            password = password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise OperatorError(f"{password_file}: {error.strerror or error}", "give a readable file") from error
    if password is None and needs_password:
        raise OperatorError("the users have no password", "set SLOTWISE_LOAD_PASSWORD or give --password-file FILE")
    people = People(
        url=url,
        databases=names,
        logins=logins or ("admin",),
        think_seconds=duration(think).mean_seconds,
        rpc_ratio=rpc_ratio,
        rpc="xml" if rpc == "xml" else "json",
        websocket_ratio=websocket_ratio,
        websocket_url=websocket_url,
        writes=not read_only,
        run=datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S"),
        seed=seed,
    )
    return people, password or "", bounds


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


@command.command("show")
@click.argument("file", type=_FILE)
@click.option("--format", "form", type=click.Choice(["text", "json", "html"]), default="text", show_default=True)
@click.option("--output", "-o", type=_FILE, metavar="FILE", help="Write it to a file instead of stdout.")
def show(file: Path, form: str, output: Path | None) -> int:
    """Show a report again that --format json has written. Exit code: as after the test itself."""
    from slotwise.commands.load_output import read_report

    return _finish(read_report(file), form, output)


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
