"""``slotwise fix``: the changes that mend the findings, shown as diffs, and applied only when asked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from slotwise.cli.looking import live_options, look, snapshot_option, terminal

if TYPE_CHECKING:
    from pathlib import Path

    from slotwise.commands.fix import Proposal

PLATFORMS = ("rds", "aurora", "azure", "cloudsql", "patroni", "cloudnativepg", "compose", "kubernetes")


@click.command()
@live_options
@snapshot_option
@click.option(
    "--select", multiple=True, metavar="RULE", help="Only for findings of these rules (id, slug, start of id)."
)
@click.option("--ignore", multiple=True, metavar="RULE", help="Not for findings of these rules.")
@click.option(
    "--format", "form", type=click.Choice(["text", "diff", "files", "json"]), default="text", show_default=True
)
@click.option("--output", metavar="DIR", help="Write the changed and generated files there; nothing else is touched.")
@click.option("--pooler", is_flag=True, help="Put a PgBouncer between Odoo and PostgreSQL.")
@click.option(
    "--pooler-ini", metavar="FILE", help="Where its pgbouncer.ini goes (default: /etc/pgbouncer/pgbouncer.ini)."
)
@click.option(
    "--pooler-lookup", is_flag=True, help="It looks passwords up by a function on the server (1.19 and newer)."
)
@click.option("--platform", type=click.Choice(PLATFORMS), help="Who runs PostgreSQL, where it is not seen by itself.")
@click.option(
    "--guide-timeouts", is_flag=True, help="5 min idle in transaction, 10 min a statement, with what they end."
)
@click.option("--standbys-done", is_flag=True, help="The standbys have the higher values already.")
@click.option("--apply", "applies", is_flag=True, help="Make the changes, after showing them and asking.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--restart", is_flag=True, help="Restart what only a restart brings into force, after saying what stops.")
@click.option("--rollback", is_flag=False, flag_value="", metavar="[ID]", help="Undo a change, the newest without ID.")
@click.option("--resume", is_flag=True, help="Finish a change that was interrupted.")
@click.option("--history", is_flag=True, help="List the changes that were made.")
@click.option("--state", metavar="DIR", help="Where the journal is (default: /var/lib/slotwise, or below $HOME).")
def command(
    form: str,
    output: str | None,
    applies: bool,
    yes: bool,
    rollback: str | None,
    resume: bool,
    history: bool,
    state: str | None,
    **asked: Any,
) -> int:
    """What to change: odoo.conf, PostgreSQL, roles, PgBouncer, as diffs with reason and risk.

    Nothing is written without --apply. Every step of an applied change is journalled first; when a check fails
    afterwards, all of it is undone by itself, and --rollback undoes it later.

    Exit code: 0 nothing to change, or applied and healthy; 1 there are changes, or findings are left; 2 wrong usage or
    refused.
    """
    if sum((rollback is not None, resume, history, applies)) > 1:
        raise click.UsageError("--apply, --rollback, --resume and --history exclude each other")
    place = _state(state)
    if history:
        return _history(place)
    if rollback is not None or resume:
        return _undo_or_finish(rollback, resume, place, asked)
    if applies and asked["saved"]:
        raise click.UsageError("--apply changes a live system: leave --snapshot out")
    return _propose(form, output, applies, yes, place, asked)


def _state(given: str | None) -> Path:
    import os
    from pathlib import Path

    if given:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/slotwise")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "slotwise"


def _history(state: Path) -> int:
    from slotwise.commands.fix import history
    from slotwise.formats.fix_text import history_text

    rows = [(c.header.id, c.header.created, c.state, c.header.titles) for c in history(state)]
    click.echo(history_text(rows), nl=False)
    return 0


def _undo_or_finish(identifier: str | None, resume: bool, state: Path, asked: dict[str, Any]) -> int:
    from slotwise.commands.fix import resume as finish
    from slotwise.commands.fix import roll_back, way_back
    from slotwise.fixes.systemd import is_drop_in

    reach = way_back(state, identifier, asked["dsn"], asked["pgbouncers"])
    if resume:
        applied = finish(state, reach)
        click.echo(f"change {applied.id} is finished")
        for name in applied.pending:
            click.echo(f"{name} waits for a restart of its server")
        return 0
    change = roll_back(identifier or None, state, reach)
    click.echo(f"change {change.header.id} is rolled back: {', '.join(change.header.titles)}")
    units = [step.path.split("/")[-2] for step in change.header.steps if is_drop_in(step)]
    if units:
        names = ", ".join(unit.removesuffix(".d") for unit in units)
        click.echo(f"run `systemctl daemon-reload`, then restart {names}")
    return 0


def _propose(form: str, output: str | None, applies: bool, yes: bool, state: Path, asked: dict[str, Any]) -> int:
    from slotwise.commands.fix import FixRequest, propose

    where = ("configs", "dsn", "pgbouncers", "logs", "offline", "timeout_seconds")
    live = {name: asked[name] for name in where}
    saved = asked["saved"]
    request = FixRequest(
        dsn=asked["dsn"],
        pgbouncers=asked["pgbouncers"],
        **{
            name: asked[name]
            for name in (
                "select", "ignore", "platform", "pooler", "pooler_ini", "pooler_lookup", "guide_timeouts",
                "standbys_done", "restart",
            )
        },
    )  # fmt: skip
    proposal = propose(lambda: look(**live, saved=saved), request, live=saved is None and not asked["offline"])
    if output is not None:
        _write_files(proposal, output)
    if not applies:
        _show(proposal, form)
        return 1 if proposal.plan.remedies or proposal.plan.refused else 0
    return _apply(proposal, yes, state, live)


def _show(proposal: Proposal, form: str) -> None:
    plan = proposal.plan
    if form == "json":
        from slotwise.formats.fix_json import fix_json

        sys.stdout.buffer.write(fix_json(plan))
    elif form == "diff":
        from slotwise.formats.fix_text import diff_text

        sys.stdout.buffer.write(diff_text(plan).encode("utf-8", "replace"))
    elif form == "files":
        from slotwise.formats.fix_json import shown_files

        for file in shown_files(plan):
            text = f"==> {file.name} <==\n{file.text}\n"
            sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    else:
        from slotwise.formats.fix_text import fix_text

        colour, width = terminal()
        sys.stdout.buffer.write(fix_text(plan, colour=colour, width=min(width, 120)).encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def _write_files(proposal: Proposal, output: str) -> None:
    from slotwise.commands.fix import write_output

    for path in write_output(proposal.plan, output):
        click.echo(f"written: {path}", err=True)


def _apply(proposal: Proposal, yes: bool, state: Path, live: dict[str, Any]) -> int:
    from slotwise.commands.fix import carry_out

    _show(proposal, "text")
    if not proposal.plan.steps:
        return 1 if proposal.plan.refused else 0
    for one in proposal.restarts:
        click.echo(f"restart of {one.what}: stops {one.stops}", err=True)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody is there to be asked: add --yes to --apply")
        if not click.confirm("Make these changes?", err=True):
            return 1
    outcome = carry_out(proposal, lambda: look(**live), state)
    click.echo(f"applied: change {outcome.applied.id} (undo: slotwise fix --rollback {outcome.applied.id})")
    for what in outcome.restarted:
        click.echo(f"restarted: {what}")
    for name in outcome.applied.pending:
        click.echo(f"{name} waits for a restart of its server")
    left = [f"{v.id} {v.slug}" for v in outcome.left if v.findings]
    click.echo(f"rules that still speak: {', '.join(left)}" if left else "no rule speaks any more")
    return 1 if left else 0
