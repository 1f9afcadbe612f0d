"""``slotwise explain``: one rule's page."""

from __future__ import annotations

import click


@click.command()
@click.argument("rule")
def command(rule: str) -> None:
    """Explain RULE (an id such as SW201, or a slug): why it matters, evidence, fix, when to ignore it."""
    from slotwise.commands.rules import page_of

    click.echo(page_of(rule), nl=False)
