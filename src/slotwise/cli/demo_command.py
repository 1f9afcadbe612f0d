"""``slotwise demo``: an incident to watch, on a private PostgreSQL."""

from __future__ import annotations

import click


@click.command()
def command() -> int:
    """Rehearse an incident: fill a private PostgreSQL, find the cause, apply the remedy.

    Starts an embedded PostgreSQL and a stand-in of an Odoo host in a temporary directory, lets an addon leak until a
    connection is refused, and runs doctor before and after the remedy. Takes some seconds, changes nothing on this
    machine, and leaves nothing behind; ^C ends it at any moment.
    """
    from slotwise.demo.rehearsal import rehearse

    return int(rehearse())
