"""SW206 leaking-process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

from slotwise.capacity.held_transactions import (
    PAUSE_SECONDS,
    Quiet,
    exceeds_one_request,
    repeated_statement,
    without_running_jobs,
)
from slotwise.capacity.slots import Slots
from slotwise.findings import Evidence, Finding, Fix, Manual, RestartProcess, Severity
from slotwise.rules.engine import rule
from slotwise.rules.evidence import Clock, cite
from slotwise.snapshot.evidence import MissingEvidence
from slotwise.snapshot.holders import Holder, holders, short_statement, unseen_owners
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Held, Sessions
from slotwise.snapshot.pool_names import outside_the_pool, pool_names
from slotwise.snapshot.processes import Processes, Sockets
from slotwise.snapshot.session_kinds import MAINTENANCE_DATABASE
from slotwise.snapshot.time_limits import time_limits

RAW_AGE_SECONDS = 1.0
CONCURRENT_QUIET_SECONDS = 60.0
CONCURRENT_REPEATS = 3
NEEDED_ON_ONE_DATABASE = {"http_worker": 6, "cron_worker": 8}
"""More than a worker's nested cursors can open on one database, with both families of application_name counted: three
or four for a request, four for a job (odoo/sql_db.py, addons/base/models/ir_cron.py), twice where db_name preloads."""
HALF = 0.5
SERVING = frozenset({"master", "http_worker", "cron_worker", "gevent", "threaded"})
"""The parts of a server; a shell or an update ends by itself, and queue_job's runner is a raw connection by design."""


class _Leak(Struct, frozen=True):
    """What one process holds too much of: cursors of its odoo_pool, and connections outside it."""

    holder: Holder
    cursors: tuple[Held, ...]
    raw: tuple[Held, ...]
    crowded: dict[str, int]


@rule("SW206", Severity.WARNING)
def leaking_process(
    sessions: Sessions, clock: Clock, processes: Processes, sockets: Sockets, odoo: Odoo | None, slots: Slots | None
) -> Iterator[Finding]:
    """An Odoo process holds connections that none of its requests can need.

    **Why it matters.** They never come back while the process lives: cursors that were left open fill its odoo_pool
    until `The Connection Pool Is Full`, connections that an addon opened by itself (psycopg2.connect) are not even
    counted by db_maxconn, and both take slots from everybody.

    **Evidence.** Each session is joined to its process by socket, never by application_name (with a preloaded database
    that is the master's pid in every worker). *Cursors held*: a prefork worker serves one request at a time and core
    nests three cursors on one database; more transactions open at once, or several that stopped after the same
    statement, are left over. *Raw connections*: sessions of an Odoo process without the odoo_pool's application_name.
    LISTEN sessions, running scheduled actions, idle pools over many databases, threads and websocket bursts are no
    leak, and behind a pooler nothing is said.

    **Fix.** Replace the worker now (its master starts a new one), then close what the code opens: `with
    registry.cursor() as cr` for cursors, self.env.cr instead of psycopg2.connect. `slotwise scan` names the lines.

    **When to ignore it.** When an addon keeps one connection per process on purpose (a listener, an external database).
    """
    names = pool_names(sessions, odoo)
    for holder, quiet in without_running_jobs(holders(sessions, processes), odoo, clock.taken_at):
        if holder.role not in SERVING or any(h.owner.behind is not None for h in holder.held):
            continue
        leak = _leak(holder, quiet, odoo, clock, names)
        if leak is not None:
            yield _finding(leak, sessions, slots)
    gap = unseen_owners(sessions)
    if gap is not None:
        raise MissingEvidence(gap)


def _leak(
    holder: Holder, quiet: tuple[Quiet, ...], odoo: Odoo | None, clock: Clock, names: dict[str | None, frozenset[str]]
) -> _Leak | None:
    raw = tuple(
        h
        for h in holder.held
        if outside_the_pool(h, names)
        and h.backend.state != "active"
        and (clock.age_seconds(h.backend.backend_start) or 0.0) >= RAW_AGE_SECONDS
    )
    pooled = tuple(t for t in quiet if not outside_the_pool(t.held, names))
    cursors = tuple(t.held for t in _left_open(holder, pooled, odoo, bool(raw)))
    crowded = _crowded(holder, names)
    if not (cursors or raw or crowded):
        return None
    return _Leak(holder, cursors, raw, crowded)


def _left_open(holder: Holder, quiet: tuple[Quiet, ...], odoo: Odoo | None, leaks_raw: bool) -> tuple[Quiet, ...]:
    """The cursors that no request can be using. Threads and websockets may wait at the same statement for the same slow
    service: there a minute has to pass, unless the process is known to leak already."""
    limits = time_limits(odoo, holder.instance)
    if holder.role in ("http_worker", "cron_worker"):
        limit = limits.job_seconds if holder.role == "cron_worker" else limits.request_seconds
        expired = tuple(t for t in quiet if limit is not None and t.idle_seconds >= limit)
        many = exceeds_one_request(holder, quiet)
        return tuple(dict.fromkeys((*many, *expired)))
    if holder.role in ("gevent", "threaded"):
        longest = limits.longest_seconds
        expired = tuple(t for t in quiet if longest is not None and t.idle_seconds >= longest)
        patience = PAUSE_SECONDS if leaks_raw else CONCURRENT_QUIET_SECONDS
        long_quiet = [t for t in quiet if t.idle_seconds >= patience]
        return tuple(dict.fromkeys((*repeated_statement(long_quiet, CONCURRENT_REPEATS), *expired)))
    return ()


def _crowded(holder: Holder, names: dict[str | None, frozenset[str]]) -> dict[str, int]:
    """Databases on which a worker's odoo_pool holds more than its flows can open, with the count."""
    needed = NEEDED_ON_ONE_DATABASE.get(holder.role)
    if needed is None:
        return {}
    counts = Counter(
        h.backend.database
        for h in holder.held
        if h.backend.database not in (None, MAINTENANCE_DATABASE) and not outside_the_pool(h, names)
    )
    return {str(database): count for database, count in counts.items() if count > needed}


def _finding(leak: _Leak, sessions: Sessions, slots: Slots | None) -> Finding:
    parts: list[str] = []
    evidence: list[Evidence] = [cite("sessions of the process", len(leak.holder.held), sessions.source)]
    if leak.cursors:
        parts.append(f"{_count(len(leak.cursors), 'cursor')} left open ({_words(leak.cursors)})")
        evidence.append(cite("cursors held", len(leak.cursors), sessions.source))
    if leak.raw:
        connections = _count(len(leak.raw), "raw connection")
        parts.append(f"{connections} outside the odoo_pool, which db_maxconn does not count ({_words(leak.raw)})")
        evidence.append(cite("raw connections", len(leak.raw), sessions.source))
    for database, count in leak.crowded.items():
        if not leak.cursors:
            needed = NEEDED_ON_ONE_DATABASE[leak.holder.role]
            parts.append(f"{count} pooled connections on {database}, where its nested cursors need {needed} at most")
        evidence.append(cite(f"pooled connections on {database}", count, sessions.source))
    surplus = len(leak.cursors) + len(leak.raw)
    only_one_raw = not leak.cursors and not leak.crowded and len(leak.raw) == 1 and leak.raw[0].backend.state == "idle"
    severity = Severity.INFO if only_one_raw else Severity.WARNING
    if slots is not None and slots.usable > 0 and surplus >= HALF * slots.usable:
        severity = Severity.CRITICAL
        evidence.append(cite("usable", slots.usable, slots.source))
    return Finding(
        f"{leak.holder.label} holds {' and '.join(parts)}",
        tuple(evidence),
        _fix(leak),
        subject=leak.holder.label,
        severity=severity,
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _words(held: tuple[Held, ...]) -> str:
    databases = ", ".join(sorted({h.backend.database or "?" for h in held}))
    statements = Counter(short_statement(h.backend.query, 60) for h in held)
    common = ", ".join(f"{text!r} × {n}" if n > 1 else repr(text) for text, n in statements.most_common(2))
    return f"database {databases}; last statement {common}"


def _fix(leak: _Leak) -> Fix:
    holder = leak.holder
    if leak.cursors and leak.raw:
        what = "left open cursors and raw connections of its own"
    elif leak.raw:
        what = "opened raw connections"
    else:
        what = "left cursors open"
    find = Manual(f"slotwise scan ADDONS: find the code that {what}, and close them on every path")
    if holder.role == "http_worker" or holder.role == "cron_worker":
        restart = RestartProcess(holder.pid, None, f"{what}; its master starts a new one")
        summary = f"have {holder.label} replaced by its master, then mend the code"
        return Fix(summary, (restart, find), "the request or job that it runs at that moment is lost")
    whole = holder.instance if holder.role in ("threaded", "master") else None
    restart = RestartProcess(None if whole else holder.pid, whole, what)
    return Fix(f"restart {holder.label}, then mend the code", (restart, find), "its users are interrupted")
