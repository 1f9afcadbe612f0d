"""``slotwise rules``: the catalogue."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output."
)
def command(form: str) -> None:
    """List every rule: id, severity, slug and the problem it names."""
    from slotwise.commands.rules import rule_list

    click.echo(rule_list(form), nl=False)
