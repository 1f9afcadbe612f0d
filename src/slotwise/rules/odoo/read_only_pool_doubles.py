"""SW113 read-only-pool-doubles."""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.capacity.planned_instance import PRIMARY, replica_server
from slotwise.findings import Change, Finding, Fix, Manual, SetOdooOption, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite_option
from slotwise.rules.instances import each_instance
from slotwise.snapshot.odoo import Odoo, OdooInstance


@rule("SW113", Severity.WARNING)
def read_only_pool_doubles(odoo: Odoo) -> Iterator[Finding]:
    """The read-only odoo_pool leads to the primary server, so every process may take its slots twice.

    **Why it matters.** Since 18 a process has a second odoo_pool for read-only requests, as large as the first. It is
    meant for a replica. When it leads to the primary, nothing is offloaded: HTTP workers hold one session more per
    database and the ceiling on that server doubles.

    **Evidence.** 18: any `db_replica_host` but False opens the second pool, an empty value too, which libpq takes for
    the local server (odoo/modules/registry.py 18.0:172). 19: a `db_replica_host` that is the primary's own address, or
    `--dev=replica`, which an explicitly empty value stands for (odoo/orm/registry.py 19.0:264, odoo/tools/config.py
    19.0:679-699). The port counts: it is not inherited from `db_port`. 17 has no second pool.

    **Fix.** Remove `db_replica_host` from odoo.conf, or name a real replica.

    **When to ignore it.** While developing against `--dev=replica`.
    """
    yield from each_instance(odoo, _check)


def _check(instance: OdooInstance) -> Iterator[Finding]:
    major = instance.need_major()
    if major < 18:
        return
    if instance.option("db_replica_host") is None and instance.option("db_host") is None:
        instance.integer("db_replica_host")
    leads_to = replica_server(instance)
    empty = instance.value("db_replica_host") == ""
    if leads_to is None or (leads_to != PRIMARY and not empty):
        return
    if leads_to == PRIMARY:
        what = "the read-only pool leads to the primary itself: each process may hold 2 × db_maxconn connections there"
    else:
        what = "db_replica_host is empty, which libpq takes for the local socket and not for db_host"
    how = "db_replica_host is empty" if empty else f"db_replica_host is {instance.value('db_replica_host')!r}"
    if major >= 19 and instance.value("db_replica_host") in (None, False):
        how = "dev_mode contains replica"
    evidence = [cite_option(instance, "db_replica_host"), cite_option(instance, "db_host")]
    if major >= 19:
        evidence.append(cite_option(instance, "dev_mode"))
    yield Finding(f"{what} ({how})", (*evidence, cite_option(instance, "db_maxconn")), _fix(instance), instance.id)


def _fix(instance: OdooInstance) -> Fix:
    changes: tuple[Change, ...] = (SetOdooOption(instance.id, "db_replica_host", None),)
    modes = [m for m in str(instance.value("dev_mode") or "").split(",") if m]
    if (instance.major or 0) >= 19 and "replica" in modes:
        kept = ",".join(m for m in modes if m != "replica")
        changes += (SetOdooOption(instance.id, "dev_mode", kept or None),)
    for name in ("db_replica_host", "dev_mode"):
        option = instance.option(name)
        if option is not None and (
            option.source.startswith("command line") or " in the environment of " in option.source
        ):
            changes += (Manual(f"take {name} off: it comes from {option.source}, which wins over odoo.conf"),)
    return Fix("remove db_replica_host, or name a real replica there", changes)
