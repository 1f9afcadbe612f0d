"""``slotwise report``: one page on a period, for the morning after."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--history", type=_FILE, metavar="FILE", help="The history to read; where `record` keeps it by default.")
@click.option("--from", "since", metavar="TIME", help="'2026-11-23 08:00', or 24h before the end (the default).")
@click.option("--to", "until", metavar="TIME", help="The same; the newest round by default.")
@click.option("--change-at", "changes", multiple=True, metavar="TIME",
              help="Compare before and after this moment too; repeatable.")  # fmt: skip
@click.option("--log", "logs", multiple=True, metavar="FILE", help="Tell the incidents in this log too; repeatable.")
@click.option("--timezone", "zone", default="UTC", show_default=True, metavar="NAME",
              help="Zone of the times, given and shown.")  # fmt: skip
@click.option("--title", default="Connection slots", show_default=True, help="Head of the page.")
@click.option("--format", "form", type=click.Choice(["html", "markdown", "json", "text"]), default=None,
              help="html into a file, else text.")  # fmt: skip
@click.option("--output", "-o", type=_FILE, help="Write to a file instead of stdout.")
def command(
    history: Path | None,
    since: str | None,
    until: str | None,
    changes: tuple[str, ...],
    logs: tuple[str, ...],
    zone: str,
    title: str,
    form: str | None,
    output: Path | None,
) -> None:
    """Tell what happened to the connection slots in a period, from the history that record and serve keep.

    Peak and who held it, incidents, findings that came and went, before and after a change, forecast, gaps. The HTML
    page is one file without any request, for the customer too. Nothing is connected to.
    """
    import time

    from slotwise.commands.plan_output import write
    from slotwise.commands.record import default_history
    from slotwise.commands.report import ReportRequest, render, report

    request = ReportRequest(
        history=history or default_history(),
        since=since,
        until=until,
        changes=changes,
        logs=logs,
        zone=zone,
        now=time.time(),
    )
    write(render(report(request), form or ("html" if output is not None else "text"), zone, title), output)
