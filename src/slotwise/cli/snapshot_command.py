"""``slotwise snapshot``: everything that doctor looks at, in one file."""

from __future__ import annotations

from typing import Any

import click

from slotwise.cli.looking import live_options


@click.command()
@click.option("-o", "--output", "destination", metavar="FILE", required=True, help="Where to write it; - is stdout.")
@live_options
def command(destination: str, **where: Any) -> None:
    """Save what doctor looks at, to diagnose it elsewhere: slotwise doctor --snapshot FILE.

    The file holds no password. Only you may read it: it names users, databases and queries.
    """
    from slotwise.cli.looking import look
    from slotwise.commands.snapshot import STDOUT, save_snapshot

    snapshot = save_snapshot(lambda: look(**where), destination)
    for source in snapshot.sources:
        if source.state in ("failed", "partial"):
            click.echo(f"{source.name}: {source.state}: {source.reason}", err=True)
    if destination != STDOUT:
        click.echo(f"written to {destination}", err=True)
