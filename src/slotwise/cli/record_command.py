"""``slotwise record``: a history of who held the connection slots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from slotwise.cli.looking import interval_option, live_options, request_of


@click.command()
@live_options
@interval_option(5.0)
@click.option(
    "--history",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to keep it; /var/lib/slotwise/history.db for root, else ~/.local/state/slotwise/history.db.",
)
@click.option("--role-sql", is_flag=True, help="Print the SQL that makes the role to connect as, and end.")
def command(
    interval_seconds: float,
    history: Path | None,
    role_sql: bool,
    **where: Any,
) -> None:
    """Keep a history of the connection slots in a file of bounded size, until it is stopped.

    Holds one connection, so that a full server does not shut it out, and goes on through restarts of everything. What
    could not be seen stays a gap. packaging/systemd has a unit for it; `slotwise serve` and `slotwise watch` show it.
    """
    if role_sql:
        from slotwise.fixes.monitor_role import role_sql as statements

        click.echo(statements(), nl=False)
        return
    from slotwise.commands.record import record

    record(request_of(**where), interval_seconds, history, lambda text: click.echo(text, err=True))
