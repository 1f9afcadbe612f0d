"""``slotwise logs``: which wall was hit, when, by whom, and why."""

from __future__ import annotations

import sys

import click


@click.command("logs")
@click.argument("files", nargs=-1)
@click.option("--format", "form", type=click.Choice(["text", "json", "html"]), default="text", show_default=True)
@click.option("--follow", is_flag=True, help="Tell refusals as they are written, through rotation, until ^C.")
@click.option("--jobs", type=click.IntRange(1), default=None, help="Processes that read side by side [default: cores].")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def command(files: tuple[str, ...], form: str, follow: bool, jobs: int | None, quiet: bool) -> int:
    """Read Odoo, PostgreSQL, PgBouncer, journal and container logs; name the wall that was hit and the probable cause.

    FILES are logs, plain or packed, directories of logs, or - for standard input; without any, the usual places and
    the logfile of odoo.conf are read. Exit code: 1 when connections were
    refused, 0 when not, 3 when nothing could be read.
    """
    from slotwise.commands.logs import exit_code_of, follow_logs, found_logs, render, story_of
    from slotwise.errors import OperatorError

    if not files:
        files = found_logs()
        if not files:
            raise OperatorError("no log was named, and none lies in the usual places", "slotwise logs FILE..., or -")
        click.echo(f"reading {', '.join(files)}", err=True)
    if follow:
        if form == "html":
            raise OperatorError("--follow cannot write html", "use --format text or json")
        for line in follow_logs(files, form):
            click.echo(line)
        return 0
    show = None
    if not quiet and sys.stderr.isatty():
        show = _show
    story = story_of(files, processes=jobs, on_progress=show)
    if show is not None:
        click.echo("\r\033[K", nl=False, err=True)
    click.echo(render(story, form), nl=False)
    return exit_code_of(story)


def _show(progress: object) -> None:
    from slotwise.collectors.log_files import Progress

    assert isinstance(progress, Progress)
    share = progress.bytes_done / progress.bytes_total if progress.bytes_total else 1.0
    click.echo(f"\r\033[Kreading {share:4.0%} {progress.file[-60:]}", nl=False, err=True)
