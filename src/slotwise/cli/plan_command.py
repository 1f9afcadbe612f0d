"""``slotwise plan``: arguments only; the use case is slotwise.commands.plan."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

_FILE = click.Path(path_type=Path)


@click.command(
    name="plan",
    epilog="A what-if takes the names of the options with underscores: --what-if workers=16 --what-if version=19. "
    "A fleet file has `servers:` and `hosts:`, each a name with these fields below it; docs/howto/plan.md shows one.",
)
@click.option("--odoo-version", help="Odoo major version: 17, 18 or 19.")
@click.option("--workers", help="HTTP workers of a host; 0 is threaded.")
@click.option("--max-cron-threads", help="Scheduled-action processes of a host, in total.")
@click.option("--databases", help="Databases served: how many, or names with commas.")
@click.option("--databases-per-worker", help="Databases that one worker serves within ten minutes.")
@click.option("--preloaded", help="Databases that db_name (-d) lists: how many, or names.")
@click.option("--hosts", help="Equal Odoo hosts.")
@click.option("--db-maxconn", help="Connections that a process may hold.")
@click.option("--db-maxconn-gevent", help="The same for the gevent process.")
@click.option("--websockets", help="Browsers connected at once.")
@click.option("--traffic", help="business (browsers, the default) or rpc (stateless calls).")
@click.option("--request-has-database", help="true: dbfilter leaves one database for a host name.")
@click.option("--concurrent-requests", help="Requests at once on a threaded server.")
@click.option("--max-http-threads", help="ODOO_MAX_HTTP_THREADS of a threaded server.")
@click.option("--queue-job", help="Databases with OCA queue_job's runner.")
@click.option("--shells", help="odoo shells and -u runs at once.")
@click.option("--raw-connections", help="Connections that addons open by psycopg2 themselves.")
@click.option("--replica", type=click.Choice(["separate", "same"]), help="A read replica; same: 18's empty host.")
@click.option("--other", help="Sessions that are not Odoo's.")
@click.option("--ram", help="RAM of the database server, such as 16GB.")
@click.option("--cores", help="Cores of the database server.")
@click.option("--odoo-cores", help="Cores of an Odoo host.")
@click.option("--shared-with-odoo", is_flag=True, default=None, help="Odoo runs on the database server's machine.")
@click.option("--postgres-version", help="PostgreSQL major version.")
@click.option("--max-connections", help="max_connections of PostgreSQL.")
@click.option("--superuser-reserved", help="superuser_reserved_connections (3 by default).")
@click.option("--reserved", help="reserved_connections, PostgreSQL 16 and later.")
@click.option("--role-connection-limit", help="CONNECTION LIMIT of Odoo's role.")
@click.option("--shared-buffers", help="shared_buffers, such as 4GB.")
@click.option("--work-mem", help="work_mem, such as 16MB.")
@click.option("--tables-touched", help="Tables that a session has seen.")
@click.option("--huge-pages", is_flag=True, default=None, help="Huge pages are in use.")
@click.option("--managed", help="Managed service, such as aws-rds:db.m6g.large.")
@click.option("--headroom", help="Share of the slots that stays free (0.3).")
@click.option("--transactions-per-second", help="Measured rate of transactions.")
@click.option("--transaction-seconds", help="Measured mean transaction, Python's time included.")
@click.option("--pgbouncer", is_flag=True, help="Plan with a PgBouncer before the server.")
@click.option("--config", "configs", multiple=True, metavar="FILE", help="odoo.conf of the host to read; repeatable.")
@click.option("--dsn", metavar="DSN", help="PostgreSQL to read, as libpq takes it.")
@click.option("--console", "consoles", multiple=True, metavar="DSN", help="PgBouncer admin console to read.")
@click.option("--offline", is_flag=True, help="Open no connection: processes, sockets and files only.")
@click.option("--timeout", "timeout_seconds", type=click.FloatRange(0.1, 600), default=10.0, show_default=True)
@click.option("--snapshot", type=_FILE, help="Start from a recorded host.")
@click.option("--fleet", type=_FILE, help="Start from a fleet file (YAML, TOML or JSON) or an odoo.conf.")
@click.option("--from", "old", type=_FILE, help="Old: a snapshot, an odoo.conf or a fleet file.")
@click.option("--to", "new", type=_FILE, help="New, likewise. Exit 1 when it does not fit.")
@click.option("--from-version", "old_version", help="Odoo version of --from.")
@click.option("--to-version", "new_version", help="Odoo version of --to.")
@click.option("--calibrate", is_flag=True, help="Take measured connections where they are below the model's too.")
@click.option("--history", type=_FILE, help="Calibrate by a history that `slotwise record` keeps.")
@click.option("--rolling", is_flag=True, help="Old and new hosts run together for a while.")
@click.option("--what-if", multiple=True, metavar="FIELD=VALUE", help="Try a change; repeatable.")
@click.option(
    "--fail-on",
    type=click.Choice(["does-not-fit", "tight"]),
    default="does-not-fit",
    show_default=True,
    help="Exit 1 from this verdict on.",
)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown", "html"]), default="text")
@click.option("--output", "-o", type=_FILE, help="Write to a file instead of stdout.")
@click.option("--details", is_flag=True, help="Every term with its source.")
def command(
    configs: tuple[str, ...],
    dsn: str | None,
    consoles: tuple[str, ...],
    offline: bool,
    timeout_seconds: float,
    snapshot: Path | None,
    history: Path | None,
    fleet: Path | None,
    old: Path | None,
    new: Path | None,
    old_version: str | None,
    new_version: str | None,
    rolling: bool,
    calibrate: bool,
    what_if: tuple[str, ...],
    fail_on: str,
    form: str,
    output: Path | None,
    details: bool,
    pgbouncer: bool,
    replica: str | None,
    **flags: str | bool | None,
) -> int:
    """How many connections an Odoo installation needs, and what to set before the change is made.

    From what is there (no option, or --config and its like), from --snapshot, from --fleet, or from the options alone.
    """
    from slotwise.cli.looking import look
    from slotwise.commands.plan import PlanRequest, exit_code, plan
    from slotwise.commands.plan_output import render, write

    changes = {name: value for name, value in flags.items() if value is not None}
    live = bool(configs or dsn or consoles or offline)
    meant = changes or snapshot or fleet or old or new or pgbouncer or replica
    seen = partial(
        look,
        configs=configs,
        dsn=dsn,
        pgbouncers=consoles,
        logs=(),
        offline=offline,
        timeout_seconds=timeout_seconds,
    )
    request = PlanRequest(
        changes=changes,
        look=seen if live or not meant else None,
        snapshot=snapshot,
        history=history,
        fleet=fleet,
        old=old,
        new=new,
        old_version=old_version,
        new_version=new_version,
        what_ifs=what_if,
        pgbouncer=pgbouncer,
        replica=replica,
        rolling=rolling,
        calibrate=calibrate,
    )
    report = plan(request)
    write(render(report, form, details), output)
    return int(exit_code(report, fail_on_tight=fail_on == "tight"))
