"""Tells connections of the odoo_pool from those that an addon opened by itself, by the name that the pool gives."""

from __future__ import annotations

import re

from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.ownership import Held, Sessions
from slotwise.snapshot.session_kinds import is_listener, is_queue_job_runner, is_raw

_DIGITS = re.compile(r"\d+")
_QUEUE_JOB = re.compile(r"(?i)\bqueue_job\b|\bselect_jobs\b|advisory_lock")


def shape(name: str) -> str:
    """A name with its numbers taken out: ``odoo-4121`` and ``odoo-100`` have one shape."""
    return _DIGITS.sub("#", name)


def pool_names(sessions: Sessions, odoo: Odoo | None) -> dict[str | None, frozenset[str]]:
    """Shapes of the names that each instance's odoo_pool gives: as configured (19: db_app_name), and as its LISTEN
    sessions show them, which always come from the pool. That covers a name set by ODOO_PGAPPNAME or PGAPPNAME
    (odoo/sql_db.py 17.0:769-773, 18.0:813-817, 19.0:775-780)."""
    found: dict[str | None, set[str]] = {}
    for instance in odoo.instances if odoo is not None else ():
        configured = _configured(instance)
        if configured is not None:
            found.setdefault(instance.id, set()).add(configured)
    for held in sessions.held:
        name = held.backend.application_name
        if held.owner.certainty == "known" and name is not None and is_listener(held):
            found.setdefault(held.owner.instance, set()).add(shape(name))
    return {instance: frozenset(names) for instance, names in found.items()}


def _configured(instance: OdooInstance) -> str | None:
    value = instance.value("db_app_name")
    return shape(value.replace("{pid}", "1")) if isinstance(value, str) else None


def outside_the_pool(held: Held, names: dict[str | None, frozenset[str]]) -> bool:
    """Whether an Odoo process certainly holds this session outside its odoo_pool.

    A session with a name of its own counts only where the pool's name is known; a LISTEN session and the runner of OCA
    queue_job (which a threaded Odoo runs inside its process) are connections of their own by design.
    """
    if not is_raw(held) or is_listener(held) or is_queue_job_runner(held):
        return False
    if held.backend.query and _QUEUE_JOB.search(held.backend.query):
        return False
    known = names.get(held.owner.instance, frozenset())
    name = held.backend.application_name or ""
    if shape(name) in known:
        return False
    return name == "" or bool(known)
