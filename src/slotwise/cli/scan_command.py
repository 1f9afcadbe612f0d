"""``slotwise scan``: the line that leaks."""

from __future__ import annotations

import sys
import time

import click

_THRESHOLDS = ("critical", "warning", "info", "never")
_FORMATS = ("text", "json", "sarif", "junit", "github", "gitlab")


@click.command("scan")
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--config", "odoo_conf", type=click.Path(dir_okay=False), help="Scan the addons_path of this odoo.conf.")
@click.option("--format", "format_", type=click.Choice(_FORMATS), default="text", show_default=True)
@click.option("--output", type=click.Path(dir_okay=False), help="Write the result to this file instead of stdout.")
@click.option("--select", multiple=True, metavar="ID", help="Only these patterns: SW601, SW7, cursor-never-closed.")
@click.option("--ignore", multiple=True, metavar="ID", help="Leave these patterns out.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Leave these paths out.")
@click.option("--fail-on", type=click.Choice(_THRESHOLDS), help="Exit 1 from this severity on.  [default: warning]")
@click.option("--pedantic", is_flag=True, help="Also show what could not be decided, as possible.")
@click.option("--baseline", type=click.Path(dir_okay=False), help="Findings in this file are known and do not fail.")
@click.option("--write-baseline", type=click.Path(dir_okay=False), help="Write what is found now to this file.")
@click.option("--fix", is_flag=True, help="Write the mechanical cures into the files (without it they are shown).")
@click.option("--include-odoo", is_flag=True, help="With --config: scan Odoo's own addons too.")
@click.option("--jobs", type=click.IntRange(0), default=0, help="Processes; 0 means one for each core.")
@click.option("--no-cache", is_flag=True, help="Neither use nor keep remembered results.")
@click.pass_obj
def command(
    arguments: tuple[str, ...] | None,
    paths: tuple[str, ...],
    odoo_conf: str | None,
    format_: str,
    output: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    exclude: tuple[str, ...],
    fail_on: str | None,
    pedantic: bool,
    baseline: str | None,
    write_baseline: str | None,
    fix: bool,
    include_odoo: bool,
    jobs: int,
    no_cache: bool,
) -> int:
    """Find the lines of Odoo addons that leak connections, hold them too long, or break behind a transaction pooler.

    PATHS are folders of addons, addons, or Python files. Nothing of them is imported or run.
    Settings may stand in pyproject.toml under [tool.slotwise.scan]; what is given here comes first.
    """
    from slotwise.collectors.remembered_run import remember
    from slotwise.commands.scan_request import ScanRequest, run

    began_ns = time.time_ns()
    request = ScanRequest(
        paths, odoo_conf, format_, output, select, ignore, exclude, fail_on, pedantic, baseline, write_baseline, fix,
        include_odoo, jobs, not no_cache,
    )  # fmt: skip
    outcome = run(request, colour=sys.stdout.isatty())
    for line in outcome.notes:
        click.echo(line, err=True)
    if outcome.result:
        click.echo(outcome.result, nl=False)
    if arguments is not None and outcome.seen is not None:
        remember(arguments, outcome.seen, outcome.watched, outcome.result, outcome.exit_code, began_ns)
    return outcome.exit_code
