"""``slotwise snapshot``: everything that doctor looks at, in one file."""

from __future__ import annotations

import click


@click.command("snapshot")
@click.option("-o", "--output", "destination", metavar="FILE", required=True, help="Where to write it; - is stdout.")
@click.option("--config", "configs", metavar="FILE", multiple=True, help="odoo.conf of an instance (repeatable).")
@click.option("--dsn", metavar="DSN", help="How to connect to PostgreSQL, instead of what Odoo's configuration says.")
@click.option("--pgbouncer", "pgbouncer_dsns", metavar="DSN", multiple=True, help="A PgBouncer's console (repeatable).")
@click.option("--log", "log_files", metavar="FILE", multiple=True, help="A log to search for refusals (repeatable).")
@click.option("--offline", is_flag=True, help="Make no connection; look at this host only.")
@click.option(
    "--timeout",
    "timeout_seconds",
    metavar="SECONDS",
    type=click.FloatRange(min=0.5, max=600),
    default=5.0,
    show_default=True,
    help="Answer within this time, whatever hangs.",
)
def command(
    destination: str,
    configs: tuple[str, ...],
    dsn: str | None,
    pgbouncer_dsns: tuple[str, ...],
    log_files: tuple[str, ...],
    offline: bool,
    timeout_seconds: float,
) -> None:
    """Save what doctor looks at, to diagnose it elsewhere: slotwise doctor --snapshot FILE.

    The file holds no password. It is readable by you only: it names users, databases and queries.
    """
    from slotwise.collectors.runner import Request
    from slotwise.commands.snapshot import STDOUT, take_snapshot

    request = Request(
        configs=configs,
        dsn=dsn,
        pgbouncer_dsns=pgbouncer_dsns,
        log_files=log_files,
        offline=offline,
        timeout_seconds=timeout_seconds,
    )
    snapshot, discovery = take_snapshot(request, destination)
    for sentence in discovery.sentences:
        click.echo(sentence, err=True)
    for source in snapshot.sources:
        if source.state != "ok":
            click.echo(f"{source.name}: {source.state}: {source.reason}", err=True)
    if destination != STDOUT:
        click.echo(f"written to {destination}", err=True)
