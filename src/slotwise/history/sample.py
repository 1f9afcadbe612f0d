"""From a Snapshot to the round that the history keeps of it, and from rounds to what the forecast reads. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from slotwise.capacity.slots import Slots, slots
from slotwise.findings import Verdict
from slotwise.forecast.series import Sample
from slotwise.rules.diagnosis import holders_of
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers
from slotwise.snapshot.postgres import Server
from slotwise.snapshot.refusals import Refusals
from slotwise.snapshot.round import FindingSeen, HolderCount, PoolCount, Round, is_restart
from slotwise.snapshot.session_kinds import is_cron_lock, is_idle_in_transaction
from slotwise.snapshot.sessions import sessions

_NUMBERS = re.compile(r"[-_ :#@.]*\d+")
_LONGEST_NAME = 63
_Number = TypeVar("_Number", int, float)


def round_of(snapshot: Snapshot, verdicts: tuple[Verdict, ...] | None = None) -> Round:
    """What the history keeps of a Snapshot. ``verdicts`` are what the rules said of it, None where nobody asked."""
    seen = sessions(snapshot)
    counted = slots(snapshot, seen)
    server = snapshot.server if isinstance(snapshot.server, Server) else None
    known = counted if isinstance(counted, Slots) else None
    if isinstance(counted, Unavailable):
        gap: str | None = f"{counted.source}: {counted.reason}"
    else:
        gap = None if counted.used is not None else _unclassified(seen)
    return Round(
        at=snapshot.taken_at,
        used=known.used if known else None,
        usable=known.usable if known else None,
        reserved=known.reserved if known else None,
        max_connections=known.max_connections if known else None,
        holders=_holder_counts(snapshot.host, seen),
        pools=_pool_counts(snapshot),
        walls=_walls(snapshot),
        findings=tuple(
            FindingSeen(v.id, v.slug, (f.severity or v.severity).word, f.subject)
            for v in verdicts or ()
            for f in v.findings
        ),
        judged=verdicts is not None,
        unjudged=tuple(v.id for v in verdicts or () if v.missing),
        gap=gap,
        server_started_at=server.started_at if server else None,
        in_recovery=server.in_recovery if server else None,
        oldest_idle_in_transaction_seconds=_oldest_idle_in_transaction(snapshot, seen),
        pooled_transactions=_total(snapshot, lambda one: one.total_xact_count),
        pooled_transaction_seconds=_total(snapshot, lambda one: one.total_xact_time_seconds),
    )


def application_group(application_name: str | None) -> str | None:
    """The name without its numbers, so that the number of groups is bounded by the programs and not by their pids.

    An empty name stays empty; None (not visible) stays None.
    """
    if not application_name:
        return application_name
    return _NUMBERS.sub("", application_name)[:_LONGEST_NAME].strip() or "(number)"


def series_of(rounds: list[Round] | tuple[Round, ...]) -> list[Sample]:
    """Rounds as the forecast reads them: gaps stay gaps, a new start of the server is marked, and a sum gives its
    least and its peak, because the forecast reads the trend from floors and the level from tops."""
    samples: list[Sample] = []
    started: float | None = None
    seen_at = 0.0
    for round_ in rounds:
        restarted = False
        if round_.server_started_at is not None:
            restarted = started is not None and is_restart(started, seen_at, round_.server_started_at)
            started = round_.server_started_at if started is None or restarted else started
            seen_at = round_.at
        if round_.seconds and round_.used is not None and round_.used_least is not None:
            third = round_.seconds / 3
            samples.append(Sample(round_.at + third, round_.used_least, restarted))
            samples.append(Sample(round_.at + 2 * third, round_.used))
        else:
            samples.append(Sample(round_.at, round_.used, restarted))
    return samples


def _unclassified(seen: Sessions | Unavailable) -> str:
    if isinstance(seen, Unavailable):
        return f"{seen.source}: {seen.reason}"
    return f"{seen.source}: {seen.unclassified} rows may be client sessions or background workers (grant pg_monitor)"


def _holder_counts(host: str, seen: Sessions | Unavailable) -> tuple[HolderCount, ...]:
    if isinstance(seen, Unavailable):
        return ()
    counts: Counter[tuple[str, int | None, str | None, str | None, str | None, str | None, str, str]] = Counter()
    for holder in holders_of(host, seen):
        group = application_group(holder.application)
        for state, count in holder.states.items():
            key = (holder.role, holder.pid, holder.process, holder.database, holder.user, group, state, holder.owner)
            counts[key] += count
    rows = [HolderCount(*key[:7], count, key[7]) for key, count in counts.items()]
    return tuple(sorted(rows, key=lambda h: (-h.count, h.role, h.pid or 0, h.database or "", h.user or "", h.state)))


def _pool_counts(snapshot: Snapshot) -> tuple[PoolCount, ...]:
    if not isinstance(snapshot.pgbouncers, PgBouncers):
        return ()
    return tuple(
        PoolCount(
            bouncer.address,
            pool.database,
            pool.user,
            pool.cl_active,
            pool.cl_waiting,
            pool.sv_active,
            pool.sv_idle,
            pool.sv_used + pool.sv_tested + pool.sv_login,
            pool.maxwait_seconds,
        )
        for bouncer in snapshot.pgbouncers.pgbouncers
        for pool in bouncer.pools
        if pool.database != "pgbouncer"
    )


def _total(snapshot: Snapshot, counted: Callable[[PgBouncer], _Number | None]) -> _Number | None:
    """The sum over every PgBouncer; None where one does not tell, because a part of a sum would look like a fall."""
    found = (
        [counted(one) for one in snapshot.pgbouncers.pgbouncers] if isinstance(snapshot.pgbouncers, PgBouncers) else []
    )
    known = [one for one in found if one is not None]
    return sum(known) if known and len(known) == len(found) else None


def _walls(snapshot: Snapshot) -> dict[str, int]:
    if not isinstance(snapshot.refusals, Refusals):
        return {}
    walls: Counter[str] = Counter()
    for refusal in snapshot.refusals.refusals:
        walls[refusal.wall] += refusal.count
    return dict(walls)


def _oldest_idle_in_transaction(snapshot: Snapshot, seen: Sessions | Unavailable) -> float | None:
    """The age of the oldest transaction that is idle and no scheduled action; 0 where there is none, None where states
    are not visible."""
    if isinstance(seen, Unavailable) or any(h.backend.state is None for h in seen.held):
        return None
    ages = [
        snapshot.taken_at - h.backend.xact_start
        for h in seen.held
        if is_idle_in_transaction(h.backend) and not is_cron_lock(h.backend) and h.backend.xact_start is not None
    ]
    return max((max(0.0, age) for age in ages), default=0.0)
