"""``slotwise alerts``: alerting rules and dashboards as files."""

from __future__ import annotations

from pathlib import Path

import click

_SECONDS = click.FloatRange(min=0, min_open=True)


@click.command()
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR",
              help="Where to write; files of the same names are replaced.")  # fmt: skip
@click.option("--high", type=float, default=0.8, show_default=True, help="Warn from this share of usable slots on.")
@click.option("--saturated", type=float, default=0.95, show_default=True, help="Critical from this share on.")
@click.option("--idle-in-transaction", type=_SECONDS, default=300.0, show_default=True, metavar="SECONDS",
              help="Warn of transactions that are idle for longer.")  # fmt: skip
@click.option("--pool-wait", type=_SECONDS, default=5.0, show_default=True, metavar="SECONDS",
              help="Warn where clients of PgBouncer wait longer.")  # fmt: skip
@click.option("--eta", type=_SECONDS, default=14400.0, show_default=True, metavar="SECONDS",
              help="Warn where the last slot goes sooner.")  # fmt: skip
def command(
    output: Path, high: float, saturated: float, idle_in_transaction: float, pool_wait: float, eta: float
) -> None:
    """Write Prometheus rules, Grafana dashboards and examples for Alertmanager and Docker Compose.

    Rules for what `slotwise serve` exports, and for installations with postgres_exporter and pgbouncer_exporter.
    """
    from slotwise.commands.alerts import written
    from slotwise.formats.alert_rules import Thresholds

    for path in written(output, Thresholds(high, saturated, idle_in_transaction, pool_wait, eta)):
        click.echo(str(path))
