"""The options that say what to look at, shared by every command that can look at a live system or at a saved one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from slotwise.collectors.discovery import Discovery
    from slotwise.collectors.runner import Request
    from slotwise.snapshot.model import Snapshot

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--config", "configs", multiple=True, metavar="FILE", help="odoo.conf; repeat for more instances."),
    click.option("--dsn", metavar="DSN", help="PostgreSQL to look at, as libpq takes it (URI or key=value)."),
    click.option("--pgbouncer", "pgbouncers", multiple=True, metavar="DSN", help="PgBouncer admin console to read."),
    click.option("--log", "logs", multiple=True, metavar="FILE", help="Log to read for refusals; may be repeated."),
    click.option("--offline", is_flag=True, help="Open no connection: processes, sockets and files only."),
    click.option(
        "--timeout",
        "timeout_seconds",
        type=click.FloatRange(0.1, 600),
        default=10.0,
        show_default=True,
        metavar="SECONDS",
        help="Answer within this time, with what was read by then.",
    ),
)


def live_options(function: F) -> F:
    """Add the options that choose a live system."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def snapshot_option(function: F) -> F:
    """Add ``--snapshot FILE``: look at a saved system instead."""
    help_text = "Judge a saved snapshot instead of this host."
    return click.option("--snapshot", "saved", metavar="FILE", help=help_text)(function)


def interval_option(default_seconds: float) -> Callable[[F], F]:
    """Add ``--interval``, for a command that looks again and again."""
    return click.option(
        "--interval",
        "interval_seconds",
        type=click.FloatRange(0.5, 3600),
        default=default_seconds,
        show_default=True,
        metavar="SECONDS",
        help="Time from one look to the next.",
    )


def look(*, saved: str | None = None, **where: Any) -> Snapshot:
    """The snapshot that the options ask for (``where``: those of ``live_options``). What discovery found is said on
    stderr."""
    if saved is not None:
        return _saved(saved, [value for name, value in where.items() if name != "timeout_seconds"])
    return look_and_find(**where)[0]


def look_and_find(**where: Any) -> tuple[Snapshot, Discovery]:
    """The snapshot of a live system, and how it was reached, for a command that acts there."""
    from slotwise.collectors.runner import collect

    snapshot, discovery = collect(request_of(**where))
    for sentence in discovery.sentences:
        click.echo(sentence, err=True)
    return snapshot, discovery


def request_of(
    configs: tuple[str, ...],
    dsn: str | None,
    pgbouncers: tuple[str, ...],
    logs: tuple[str, ...],
    offline: bool,
    timeout_seconds: float,
) -> Request:
    """What the options ask to look at, for a command that looks again and again."""
    from slotwise.collectors.runner import Request

    return Request(
        configs=configs,
        dsn=dsn,
        pgbouncer_dsns=pgbouncers,
        log_files=logs,
        offline=offline,
        timeout_seconds=timeout_seconds,
    )


def _saved(path: str, live: list[object]) -> Snapshot:
    if any(live):
        raise click.UsageError("--snapshot looks at a saved system: give it without options for a live one")
    from slotwise.collectors.saved_snapshot import read_snapshot

    return read_snapshot(path)


def terminal() -> tuple[bool, int]:
    """Whether stdout may be coloured, and its width. NO_COLOR (https://no-color.org) and pipes mean no colour."""
    import os
    import shutil

    is_terminal = sys.stdout.isatty()
    colour = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return colour, shutil.get_terminal_size((100, 24)).columns
