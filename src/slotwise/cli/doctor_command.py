"""``slotwise doctor``: the truth about a live installation, or about a saved snapshot."""

from __future__ import annotations

import sys
from typing import Any

import click

from slotwise.cli.looking import live_options, look, snapshot_option, terminal


@click.command()
@live_options
@snapshot_option
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "sarif", "junit"]), default="text", show_default=True
)
@click.option("--select", multiple=True, metavar="RULE", help="Only these rules (id, slug, or start of an id: SW2).")
@click.option("--ignore", multiple=True, metavar="RULE", help="Not these rules.")
@click.option(
    "--fail-on",
    type=click.Choice(["critical", "warning", "info"]),
    default="critical",
    show_default=True,
    help="Exit 1 from this severity on.",
)
@click.option("-v", "--verbose", is_flag=True, help="Every holder, every source, no shortening.")
def command(
    form: str, select: tuple[str, ...], ignore: tuple[str, ...], fail_on: str, verbose: bool, **where: Any
) -> int:
    """Who holds the connection slots, what is wrong, and what to change.

    Without options it finds the running Odoo, its database server and a PgBouncer on the way by itself. It never writes
    anything, and it answers even when no connection slot is left.

    Exit code: 0 healthy, 1 findings at or above --fail-on, 2 wrong usage, 3 something that could reach --fail-on could
    not be judged.
    """
    from slotwise.commands.doctor import Judging, Voice, doctor

    colour, width = terminal()
    output, code = doctor(
        lambda: look(**where),
        Judging(_split(select), _split(ignore), fail_on, here=where["saved"] is None),
        Voice(form, colour, width, verbose),
    )
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
    return int(code)


def _split(names: tuple[str, ...]) -> tuple[str, ...]:
    """Rules may be given with commas too."""
    return tuple(part.strip() for name in names for part in name.split(",") if part.strip())
