"""``slotwise watch``: the terminal screen for the incident."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from slotwise.cli.looking import interval_option, live_options, snapshot_option

if TYPE_CHECKING:
    from slotwise.commands.watch_feed import Feed


@click.command()
@live_options
@snapshot_option
@interval_option(2.0)
@click.option(
    "--history",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Replay what was recorded to FILE instead of watching.",
)
def command(interval_seconds: float, saved: str | None, history: Path | None, **where: Any) -> int:
    """Watch the slots live: who holds them, what is open, what waits, what is wrong, what is coming.

    Keys: 1 to 5 choose the page (holders, transactions, pools, findings, sessions), b what holders are grouped by,
    Enter looks closer, s and r sort, / filters, p pauses, w saves what is seen to a file, o records every further look
    to a file, x asks whether to end the session under the cursor (with --dsn), q quits. In a recorded history the
    arrows left and right go to and fro (with Shift by 50), and z shows the hour around look by look.

    It goes on while the server is full or restarting. It changes nothing but what x is confirmed for. It needs the
    extra: pip install 'slotwise[tui]'.
    """
    from importlib.util import find_spec

    from slotwise.errors import OperatorError

    if find_spec("textual") is None:
        raise OperatorError("the screen needs Textual, which is not installed", "pip install 'slotwise[tui]'")
    feed = _feed(saved, history, where)
    # Textual reads keys from stdin and draws on stderr.
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise OperatorError("watch draws on a terminal, and this is none", "slotwise doctor says it in lines")
    from slotwise.tui.app import run

    return int(run(feed, interval_seconds))


def _feed(saved: str | None, history: Path | None, where: dict[str, Any]) -> Feed:
    from slotwise.commands.watch_process import LiveFeed, SavedFeed

    if history is not None:
        given = any(value for name, value in where.items() if name != "timeout_seconds")
        if saved is not None or given:
            raise click.UsageError("--history replays what was recorded: give it without options for something else")
        from slotwise.commands.watch_replay import Replay

        return Replay(history)
    if saved is not None:
        from slotwise.cli.looking import look

        return SavedFeed(look(saved=saved, **where))
    from slotwise.cli.looking import request_of
    from slotwise.commands.record import default_history

    return LiveFeed(request_of(**where), default_history())
