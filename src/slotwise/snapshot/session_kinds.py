"""Tells apart the sessions that look alike: what Odoo holds on purpose is not a leak.

Signatures were read in odoo/addons/base/models/ir_cron.py, odoo/service/server.py, odoo/sql_db.py and
addons/bus/models/bus.py of 17.0, 18.0 and 19.0, and seen in pg_stat_activity of real hosts.
"""

from __future__ import annotations

import re

from slotwise.snapshot.ownership import Held
from slotwise.snapshot.postgres import Backend

MAINTENANCE_DATABASE = "postgres"
"""Where cron workers and the bus LISTEN (`LISTEN cron_trigger`, `listen imbus`) and databases are listed from."""

NEVER_POOLED = frozenset({"postgres", "template0", "template1"})
"""Odoo's pool closes connections to these at cursor.close() (odoo/sql_db.py, ConnectionPool.give_back)."""

IDLE_IN_TRANSACTION = frozenset({"idle in transaction", "idle in transaction (aborted)"})
"""Both states count: the real name of the second has parentheses (src/backend/utils/adt/pgstatfuncs.c)."""

_CRON_JOB_LOCK = re.compile(r"(?is)\bfrom\s+\"?ir_cron\"?\b.*\bfor\s+(?:no\s+key\s+)?update\s+skip\s+locked")
_CUT_CRON_JOB = re.compile(r"(?is)^\s*(?:with\b.*)?select\s+\*\s+from\s+\"?ir_cron\"?\b.*\bnextcall\s*<=")
_SHORTEST_CUT = 99
"""track_activity_query_size is 100 at least: a statement of 99 bytes or more may have been cut."""
_ODOO_NAME = re.compile(r"^odoo-\d+$")
_QUEUE_JOB_LISTEN = re.compile(r"(?i)\blisten\s+\"?queue_job\b")
_LISTEN = re.compile(r"(?i)^\s*listen\s")


def is_idle(backend: Backend) -> bool:
    """Whether the session is idle outside a transaction."""
    return backend.state == "idle"


def is_idle_in_transaction(backend: Backend) -> bool:
    """Whether the session holds a transaction open without running a statement, aborted or not."""
    return backend.state in IDLE_IN_TRANSACTION


def is_cron_lock(backend: Backend) -> bool:
    """Whether the session is the cursor that locks a running scheduled action: idle in transaction for the whole
    job, by design.

    With many due actions the statement is longer than track_activity_query_size (1024 bytes) and its end is cut off.
    """
    query = backend.query
    if not query:
        return False
    return bool(_CRON_JOB_LOCK.search(query) or (len(query) >= _SHORTEST_CUT and _CUT_CRON_JOB.search(query)))


def is_listener(held: Held) -> bool:
    """Whether the session LISTENs for Odoo: on `postgres`, held by a process that listens, idle since its COMMIT.

    The LISTEN text itself is not visible: Odoo commits after it, so that pg_stat_activity shows COMMIT.
    """
    backend = held.backend
    if backend.query and (_LISTEN.match(backend.query) or _QUEUE_JOB_LISTEN.search(backend.query)):
        return True
    if backend.database != MAINTENANCE_DATABASE or backend.state not in ("idle", None):
        return False
    if held.owner.certainty == "known":
        return held.owner.role in ("cron_worker", "gevent", "threaded") or held.owner.name == "pgbouncer"
    return has_odoo_name(backend) and (backend.query or "").strip().upper().startswith("COMMIT")


def is_queue_job_runner(held: Held) -> bool:
    """Whether the session is OCA queue_job's runner: a raw connection of its own on each database
    (queue_job/jobrunner/runner.py)."""
    return held.owner.role == "queue_job" or bool(held.backend.query and _QUEUE_JOB_LISTEN.search(held.backend.query))


def has_odoo_name(backend: Backend) -> bool:
    """Whether application_name is Odoo's ``odoo-<pid>``. The pid is the one that made the Registry, not always the
    owner."""
    return bool(backend.application_name and _ODOO_NAME.match(backend.application_name))


def is_raw(held: Held) -> bool:
    """Whether an Odoo process holds this session outside its odoo_pool: opened by psycopg2 directly, so without
    Odoo's name.

    Behind a pooler every name is lost after the first DISCARD ALL, so nothing is said of pooled sessions; nor where
    application_name is not visible (a masked row shows it as empty).
    """
    name = held.backend.application_name
    of_odoo = held.owner.certainty == "known" and held.owner.role not in ("unknown", "queue_job")
    return of_odoo and not held.backend.masked and name is not None and not name.startswith("odoo")
