"""``slotwise verify``: proves that Odoo works through the path."""

from __future__ import annotations

import click

from slotwise.cli.looking import terminal


@click.command()
@click.option(
    "--dsn", required=True, metavar="DSN", help="The way that Odoo takes (through the pooler), with its dbname."
)
@click.option("--direct", metavar="DSN", help="The server itself: tells whether the pooler is what breaks something.")
@click.option("--queue-job-dsn", metavar="DSN", help="The way of queue_job's runner, where it has one of its own.")
@click.option(
    "--pgbouncer", "console", metavar="DSN", help="PgBouncer's console, for the pool's size [default: try the path's]."
)
@click.option("--config", metavar="FILE", help="odoo.conf: workers and max_cron_threads for the deadlock probe.")
@click.option("--workers", type=click.IntRange(0), metavar="N", help="Odoo's workers, all hosts together.")
@click.option(
    "--max-cron-threads", type=click.IntRange(0), metavar="N", help="Odoo's cron workers, all hosts together."
)
@click.option(
    "--queue-job/--no-queue-job", default=None, help="Whether OCA queue_job is used [default: ask the database]."
)
@click.option("--need", multiple=True, metavar="CHECK", help="A check that custom code needs; may be repeated.")
@click.option("--only", multiple=True, metavar="CHECK", help="Run only this check; may be repeated.")
@click.option("--exhaust", is_flag=True, help="Also fill the pool for a moment. For staging, not for production.")
@click.option(
    "--connections",
    type=click.IntRange(1, 200),
    default=8,
    show_default=True,
    metavar="N",
    help="At most so many at once.",
)
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(1, 600),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="For everything together.",
)
@click.option("--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True)
def command(
    dsn: str,
    direct: str | None,
    queue_job_dsn: str | None,
    console: str | None,
    config: str | None,
    workers: int | None,
    max_cron_threads: int | None,
    queue_job: bool | None,
    need: tuple[str, ...],
    only: tuple[str, ...],
    exhaust: bool,
    connections: int,
    seconds: float,
    form: str,
) -> int:
    """Prove that everything that Odoo needs works through the path to its database.

    Each need is tried as Odoo uses it and told as works, broken, unknown or not-needed, with what users would notice.
    Creates nothing that stays, reads no application data, and takes a few connections for a few seconds, never the last
    free slots.

    Exit code: 0 everything needed works, 1 something needed is broken, 2 wrong usage, 3 something needed could not be
    told.
    """
    from slotwise.commands.verify import VerifyRequest, said, verify

    report = verify(
        VerifyRequest(
            dsn=dsn,
            direct=direct,
            queue_job_dsn=queue_job_dsn,
            console=console,
            config=config,
            workers=workers,
            max_cron_threads=max_cron_threads,
            queue_job=queue_job,
            need=need,
            only=only,
            exhaust=exhaust,
            seconds=seconds,
            connections=connections,
        )
    )
    colour, width = terminal()
    click.echo(said(report, form, colour=colour, width=width), nl=False)
    return int(report.exit_code)
