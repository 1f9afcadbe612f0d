"""What the rules about Odoo instances share: each instance judged by itself, and options changed where they are set."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from slotwise.findings import Change, Finding, Manual, SetOdooOption
from slotwise.snapshot.evidence import MissingEvidence, Unavailable
from slotwise.snapshot.odoo import Odoo, OdooInstance


def each_instance(odoo: Odoo, check: Callable[[OdooInstance], Iterator[Finding]]) -> Iterator[Finding]:
    """What ``check`` finds in every instance. A gap in one does not hide the others: it is raised at the end.

    Raises MissingEvidence where there is no instance at all: nothing was judged then, which is not health.
    """
    if not odoo.instances:
        gap = Unavailable("Odoo", "no Odoo instance was found", "name its configuration with --config FILE")
        raise MissingEvidence(gap)
    missing: MissingEvidence | None = None
    for instance in odoo.instances:
        try:
            yield from check(instance)
        except MissingEvidence as gap_here:
            missing = missing or gap_here
    if missing is not None:
        raise missing


def set_option(instance: OdooInstance, name: str, value: str | int) -> tuple[Change, ...]:
    """The steps that bring ``name = value``: in odoo.conf, and where the command line or the environment sets it now,
    there as well, because those win over the file (odoo/tools/config.py, 17.0 to 19.0)."""
    changes: tuple[Change, ...] = (SetOdooOption(instance.id, name, str(value)),)
    option = instance.option(name)
    source = option.source if option is not None else ""
    if source.startswith("command line") or " in the environment of " in source:
        text = f"{name} comes from: {source}. That wins over odoo.conf: set it to {value} there, or take it away"
        changes += (Manual(text),)
    return changes


def is_prefork(instance: OdooInstance) -> bool:
    """Whether the instance runs HTTP workers. Raises MissingEvidence where ``workers`` was not read."""
    return instance.integer("workers") > 0


def gevent_pool_size(instance: OdooInstance) -> int | None:
    """``db_maxconn_gevent`` where it is set; None where the gevent process takes ``db_maxconn`` (odoo/sql_db.py)."""
    value = instance.value("db_maxconn_gevent")
    return value if isinstance(value, int) and not isinstance(value, bool) and value else None


def has_gevent(instance: OdooInstance) -> bool:
    """Whether prefork starts a gevent process: only with ``http_enable`` (odoo/service/server.py 17.0:816-820)."""
    return instance.value("http_enable") is not False
