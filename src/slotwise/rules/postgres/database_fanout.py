"""SW205 database-fanout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from slotwise.capacity.slots import Slots
from slotwise.findings import Change, Finding, Fix, Manual, SetOdooOption, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import cite
from slotwise.snapshot.evidence import MissingEvidence
from slotwise.snapshot.holders import Holder, holders, unseen_owners
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.processes import Processes, Sockets
from slotwise.snapshot.session_kinds import NEVER_POOLED, is_queue_job_runner

MANY_DATABASES = 3
CAPPED = 8
"""The smallest db_maxconn that no prefork process starves by: a request nests four connections, a job six
(odoo/sql_db.py, addons/base/models/ir_cron.py, 17.0 to 19.0)."""
LARGE_SHARE = 0.2


@rule("SW205", Severity.WARNING)
def database_fanout(
    sessions: Sessions, processes: Processes, sockets: Sockets, odoo: Odoo | None, slots: Slots | None
) -> Iterator[Finding]:
    """Each Odoo process keeps connections to many databases at once.

    **Why it matters.** A pooled connection belongs to one database. A worker that serves many databases keeps one or
    two for each that it served in the last ten minutes, so the demand is processes × databases, up to db_maxconn a
    process: four workers and twenty databases are eighty connections or more where eight would do.

    **Evidence.** Databases per process, joined by socket; `postgres` and the templates do not count, nor does
    queue_job's runner (one connection a database by design). Three databases or more. The gain is what the processes
    hold beyond the database that each uses most. A gain below 20 % of the usable slots is waste (info).

    **Fix.** Cap the pool: at db_maxconn Odoo closes idle connections of other databases first, which costs a new
    connection and no error. Better: one instance per database or group (db_name, dbfilter), or PgBouncer in transaction
    mode for the application databases with `postgres` in session mode.

    **When to ignore it.** When the slots suffice for every process on every database (see demand-above-supply).
    """
    by_instance: dict[str | None, list[Holder]] = {}
    for holder in holders(sessions, processes):
        if holder.is_odoo and holder.role != "queue_job" and all(h.owner.behind is None for h in holder.held):
            by_instance.setdefault(holder.instance, []).append(holder)
    for instance_id, group in by_instance.items():
        instance = odoo.find(instance_id) if odoo is not None else None
        found = _finding(group, instance, sessions, slots)
        if found is not None:
            yield found
    gap = unseen_owners(sessions, odoo.users if odoo is not None else ())
    if gap is not None and not by_instance:
        raise MissingEvidence(gap)


def databases_of(holder: Holder) -> Counter[str]:
    """Pooled connections of one process by application database."""
    return Counter(
        h.backend.database
        for h in holder.held
        if h.backend.database is not None and h.backend.database not in NEVER_POOLED and not is_queue_job_runner(h)
    )


def _finding(
    group: list[Holder], instance: OdooInstance | None, sessions: Sessions, slots: Slots | None
) -> Finding | None:
    spread = {h: counts for h in group if len(counts := databases_of(h)) >= MANY_DATABASES}
    if not spread:
        return None
    widest = max(len(counts) for counts in spread.values())
    held = sum(sum(counts.values()) for counts in spread.values())
    gain = held - sum(max(counts.values()) for counts in spread.values())
    large = slots is not None and slots.usable > 0 and gain >= LARGE_SHARE * slots.usable
    option = instance.option("db_maxconn") if instance is not None else None
    capped = option is not None and isinstance(option.value, int) and option.value <= CAPPED
    if capped and not large:
        return None
    roles = Counter(h.role for h in spread)
    who = ", ".join(f"{n} {role}" for role, n in roles.most_common())
    every = set().union(*spread.values())
    return Finding(
        f"{who} processes hold {held} connections to {len(every)} databases (up to {widest} databases each);"
        f" on one database each, {gain} of them would be free",
        (
            cite("databases", len(every), sessions.source),
            cite("connections", held, sessions.source),
            cite("gain", gain, "connections beyond each process's most used database"),
            *((cite("db_maxconn", option.value, option.source),) if option is not None else ()),
            *((cite("usable", slots.usable, slots.source),) if slots is not None else ()),
        ),
        _fix(instance, option is not None and not capped and "threaded" not in roles),
        subject=f"instance {instance.id}" if instance is not None else None,
        severity=Severity.WARNING if large else Severity.INFO,
    )


def _fix(instance: OdooInstance | None, may_cap: bool) -> Fix:
    pin = Manual("run one instance per database or group of databases: pin it with db_name and dbfilter")
    pool = Manual("or put PgBouncer in between: transaction mode for these databases, session mode for `postgres`")
    if instance is None or not may_cap:
        return Fix("pin each instance to its databases, or let PgBouncer share the connections", (pin, pool))
    changes: list[Change] = []
    if not instance.value("db_maxconn_gevent") and instance.option("db_maxconn_gevent") is not None:
        changes.append(SetOdooOption(instance.id, "db_maxconn_gevent", "32"))
    changes.append(SetOdooOption(instance.id, "db_maxconn", str(CAPPED)))
    return Fix(
        f"cap each process at db_maxconn = {CAPPED}, then pin instances to databases or let PgBouncer share",
        (*changes, pin, pool),
        "takes effect when Odoo restarts; a worker that changes database often connects anew each time",
    )
