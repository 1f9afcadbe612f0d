"""``slotwise watch``: the terminal screen for the incident."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from slotwise.cli.looking import live_options, snapshot_option

if TYPE_CHECKING:
    from slotwise.commands.watch_process import Feed


@click.command()
@live_options
@snapshot_option
@click.option(
    "--interval",
    "interval_seconds",
    type=click.FloatRange(0.5, 3600),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Pause between two looks.",
)
def command(interval_seconds: float, saved: str | None, **where: Any) -> int:
    """Watch the slots live: who holds them, what is open, what waits, what is wrong, what is coming.

    Keys: 1 to 5 choose the page (holders, transactions, pools, findings, sessions), b what holders are grouped by,
    Enter looks closer, s and r sort, / filters, p pauses, w saves what is seen to a file, q quits.

    It goes on while the server is full or restarting. It changes nothing. It needs the extra: pip install
    'slotwise[tui]'.
    """
    from importlib.util import find_spec

    from slotwise.errors import OperatorError

    if find_spec("textual") is None:
        raise OperatorError("the screen needs Textual, which is not installed", "pip install 'slotwise[tui]'")
    feed = _feed(saved, where)
    # Textual reads keys from stdin and draws on stderr.
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise OperatorError("watch draws on a terminal, and this is none", "slotwise doctor says it in lines")
    from slotwise.tui.app import run

    return int(run(feed, interval_seconds))


def _feed(saved: str | None, where: dict[str, Any]) -> Feed:
    from slotwise.commands.watch_process import LiveFeed, SavedFeed

    if saved is not None:
        from slotwise.cli.looking import look

        return SavedFeed(look(saved=saved, **where))
    from slotwise.cli.looking import request_of

    return LiveFeed(request_of(**where))
