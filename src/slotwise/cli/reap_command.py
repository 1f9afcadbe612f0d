"""``slotwise reap``: ends sessions that are stuck, by policy, and nobody else."""

from __future__ import annotations

from typing import Any

import click

from slotwise.cli.looking import live_options, look, look_and_find, snapshot_option, terminal

_SECONDS = click.FloatRange(1)


@click.command()
@click.option(
    "--idle-in-transaction", type=_SECONDS, metavar="SECONDS", help="End what is idle in transaction for longer."
)
@click.option("--idle", type=_SECONDS, metavar="SECONDS", help="End what is idle for longer.")
@click.option("--active", type=_SECONDS, metavar="SECONDS", help="Cancel what runs one statement for longer.")
@click.option("--role", "roles", multiple=True, metavar="NAME", help="Only sessions of this role; * and ? match.")
@click.option("--database", "databases", multiple=True, metavar="NAME", help="Only on this database; * and ? match.")
@click.option("--application", "applications", multiple=True, metavar="NAME", help="Only of this application_name.")
@click.option("--at-most", type=click.IntRange(1, 100), default=5, show_default=True, help="End so many in one round.")
@click.option("--apply", "act", is_flag=True, help="End them. Without it nobody is ended.")
@click.option("--audit", "audit", metavar="FILE", help="Audit log [default: /var/log/slotwise/reap.jsonl for root].")
@click.option("--every", type=click.FloatRange(1), metavar="SECONDS", help="Go on, a round every so many seconds.")
@live_options
@snapshot_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    idle_in_transaction: float | None,
    idle: float | None,
    active: float | None,
    roles: tuple[str, ...],
    databases: tuple[str, ...],
    applications: tuple[str, ...],
    at_most: int,
    act: bool,
    audit: str | None,
    every: float | None,
    form: str,
    **where: Any,
) -> int:
    """End sessions that are stuck, by policy.

    Never ended: superusers, replication, maintenance, backups, sessions that LISTEN, a running scheduled action, an
    odoo-bin update, slotwise itself, and whatever cannot be seen in full. A session is ended only if it is still the
    same one in the same state; a running statement is cancelled first. Each act is written to the audit log before it
    is done. Run it as root on Odoo's host, so that it sees whose sessions they are.

    Exit code: 0 nobody to end or all ended, 1 somebody would be or could not be ended, 2 wrong usage, 3 something could
    not be judged.
    """
    from pathlib import Path

    from slotwise.collectors.discovery import Discovery
    from slotwise.commands.reap import Acting, Reaping, checked, reap, reap_for_ever, said, ways_to
    from slotwise.errors import OperatorError
    from slotwise.fixes.reaping import ReapPolicy
    from slotwise.snapshot.model import Snapshot

    policy = checked(
        ReapPolicy(
            idle_in_transaction_seconds=idle_in_transaction,
            idle_seconds=idle,
            active_seconds=active,
            roles=roles,
            databases=databases,
            applications=applications,
            at_most=at_most,
        )
    )
    acting = None
    if act:
        if where["saved"] is not None:
            raise OperatorError("a saved snapshot is no system to act on", "leave out --snapshot, or --apply")
        acting = Acting(
            where["dsn"], Path(audit) if audit else None, found=lambda snapshot: ways_to(snapshot, found.ways)
        )
    colour, width = terminal()
    found = Discovery()

    def looked() -> Snapshot:
        nonlocal found
        if where["saved"] is not None:
            return look(**where)
        snapshot, found = look_and_find(**{name: value for name, value in where.items() if name != "saved"})
        return snapshot

    def tell(result: Reaping) -> None:
        click.echo(said(result, form, colour=colour, width=width), nl=False)

    if every is None:
        result = reap(looked, policy, acting)
        tell(result)
        return int(result.exit_code)
    import signal
    import threading

    end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    return int(reap_for_ever(lambda: reap(looked, policy, acting), tell, every, end.wait))
