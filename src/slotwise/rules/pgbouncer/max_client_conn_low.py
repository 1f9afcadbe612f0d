"""SW305 max-client-conn-low."""

from __future__ import annotations

import math
from collections.abc import Iterator

from slotwise.capacity.from_snapshot import InstallationDemand, PooledDemand
from slotwise.capacity.pools import number
from slotwise.capacity.routes import Routes
from slotwise.findings import Change, Finding, Fix, Manual, SetPgBouncer, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite
from slotwise.rules.poolers import each_pooler
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers

OTHER_FILES = 100
"""Descriptors beside clients and servers: listeners, logs, the console, DNS; with room for logins under way."""


@rule("SW305", Severity.WARNING)
def max_client_conn_low(routes: Routes, pgbouncers: PgBouncers | None, demand: InstallationDemand) -> Iterator[Finding]:
    """PgBouncer lets in fewer clients than Odoo may open, or than its file descriptors bear.

    **Why it matters.** Every connection of every odoo_pool is a client of PgBouncer, idle ones too. Beyond
    `max_client_conn` (default 100) it answers `no more connections allowed (max_client_conn)` while PostgreSQL is calm.
    Beyond its file descriptors it stops accepting, and clients hang without any error.

    **Evidence.** `max_client_conn` against Odoo's peak (warning) and ceiling (mentioned); SHOW LISTS used_clients at
    the limit (critical: it refuses now); the process's limit of open files against max_client_conn and the server
    pools.

    **Fix.** `max_client_conn` above the ceiling: an idle client costs 2 to 4 kB. LimitNOFILE with it.

    **When to ignore it.** When a limit of clients is meant to hold somebody back.
    """

    def check(pgbouncer: PgBouncer) -> Iterator[Finding]:
        pooled = next((p for p in demand.pooled if p.address == pgbouncer.address), None)
        if pooled is None:
            return
        yield from _clients(pgbouncer, pooled)
        yield from _descriptors(pgbouncer, pooled)
        if not demand.certain and number(pgbouncer, "max_client_conn") < pooled.most_clients.peak:
            gap = Unavailable("databases in use", "no worker shows which it serves", "pin db_name, or look under load")
            raise MissingEvidence(gap)

    yield from each_pooler(routes, pgbouncers, check)


def _clients(pgbouncer: PgBouncer, pooled: PooledDemand) -> Iterator[Finding]:
    limit, used = number(pgbouncer, "max_client_conn"), pgbouncer.lists.get("used_clients")
    peak, ceiling = pooled.clients.peak, pooled.most_clients.ceiling
    full = used is not None and used >= limit
    if limit >= ceiling and not full:
        return
    wanted = math.ceil(1.2 * max(ceiling, used or 0)) + 20
    if full:
        severity, said = Severity.CRITICAL, f"all {limit} clients that max_client_conn allows are connected"
    elif limit < peak:
        severity, said = Severity.WARNING, f"max_client_conn {limit} is below Odoo's realistic peak of {peak} clients"
    else:
        severity, said = Severity.INFO, f"max_client_conn {limit} is below the {ceiling} clients that Odoo may open"
    changes: tuple[Change, ...] = (SetPgBouncer(pgbouncer.address, "max_client_conn", str(wanted)),)
    files = wanted + pooled.most.total + OTHER_FILES
    if pgbouncer.process_limit_nofile is None or pgbouncer.process_limit_nofile < files:
        changes += (
            Manual(f"let PgBouncer open {files} files first (LimitNOFILE={files} in its unit), then restart it"),
        )
    yield Finding(
        f"{said} (PgBouncer {pgbouncer.address})",
        (
            cite("max_client_conn", limit, f"SHOW CONFIG of {pgbouncer.address}"),
            cite("used_clients", used, f"SHOW LISTS of {pgbouncer.address}"),
            cite("peak clients", peak, "demand of Odoo's processes"),
            cite("ceiling of clients", ceiling, "sum of their odoo_pools"),
        ),
        Fix(f"set max_client_conn = {wanted}", changes),
        subject=f"PgBouncer {pgbouncer.address}",
        severity=severity,
    )


def _descriptors(pgbouncer: PgBouncer, pooled: PooledDemand) -> Iterator[Finding]:
    have, clients = pgbouncer.process_limit_nofile, number(pgbouncer, "max_client_conn")
    if have is None or have >= clients + pooled.likely.total:
        return
    need = clients + pooled.most.total + OTHER_FILES
    yield Finding(
        f"PgBouncer {pgbouncer.address} may open {have} files, but {clients} clients and {pooled.likely.total} server"
        f" connections need more: it would stop accepting, and clients hang",
        (
            cite("open files", have, f"/proc/{pgbouncer.pid}/limits"),
            cite("max_client_conn", clients, f"SHOW CONFIG of {pgbouncer.address}"),
            cite("server connections", pooled.likely.total, "pool sizes and caps"),
        ),
        Fix(f"raise its limit of open files to {need}", (Manual(f"LimitNOFILE={need} in its unit, then restart it"),)),
        subject=f"PgBouncer {pgbouncer.address} files",
    )
