"""Puts what the connections brought into a Snapshot: parts where they answered, gaps with reasons where not. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, structs

from slotwise.collectors.pg_failures import Failure
from slotwise.collectors.pg_session import PostgresAnswer
from slotwise.snapshot.evidence import SourceReport, Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.pgbouncer import PgBouncer, PgBouncers
from slotwise.snapshot.postgres import Settings
from slotwise.snapshot.refusals import Refusal, Refusals

POSTGRES_PARTS = {
    "server": "server",
    "activity": "pg_stat_activity",
    "settings": "pg_settings",
    "roles": "pg_roles",
    "databases": "pg_database",
    "overrides": "pg_db_role_setting",
    "locks": "pg_blocking_pids()",
}
"""The parts that one connection brings, and the source that each of them names."""


class PostgresVisit(Struct, frozen=True):
    """One way that was tried: ``named`` says which, ``seconds`` how long it took."""

    named: str
    answer: PostgresAnswer
    seconds: float


class ConsoleVisit(Struct, frozen=True):
    """One console that was tried: a PgBouncer, or why there is none."""

    named: str
    seen: PgBouncer | Unavailable
    seconds: float


def with_postgres(snapshot: Snapshot, visits: Sequence[PostgresVisit], now: float) -> Snapshot:
    """The snapshot with what the visits brought. Where none brought anything, the first one's failure is the reason:
    the ways that were tried after it are detours."""
    in_at_last = any(visit.answer.parts is not None for visit in visits)
    for visit in visits:
        snapshot = _with_visit(snapshot, visit, decides=visit is visits[0])
    if in_at_last:
        # Another way led in: there is nothing left to do about those that did not.
        names = {_place(visit) for visit in visits}
        sources = (structs.replace(s, remedy=None) if s.name in names else s for s in snapshot.sources)
        snapshot = structs.replace(snapshot, sources=tuple(sources))
    refusals = tuple(r for v in visits if (r := refusal(v, now)) is not None)
    return with_refusals(snapshot, Refusals(refusals, tuple(f"connection attempt: {v.named}" for v in visits)))


def _with_visit(snapshot: Snapshot, visit: PostgresVisit, *, decides: bool) -> Snapshot:
    answer = visit.answer
    name = _place(visit)
    failure = answer.failure
    if answer.parts is not None:
        snapshot = structs.replace(snapshot, **structs.asdict(answer.parts))
    elif decides and failure is not None:
        gaps = {part: Unavailable(source, failure.text, failure.remedy) for part, source in POSTGRES_PARTS.items()}
        snapshot = structs.replace(snapshot, **gaps)
    return with_report(snapshot, name, visit.seconds, failure, partial=answer.parts is not None)


def _place(visit: PostgresVisit) -> str:
    """What the visit is called among the sources."""
    answer = visit.answer
    place = answer.address or visit.named
    return f"PostgreSQL {place} as {answer.user}" if answer.user else f"PostgreSQL {place}"


def without_connection(snapshot: Snapshot, reason: str, remedy: str) -> Snapshot:
    """The snapshot of a run that made no connection."""
    gaps = {part: Unavailable(source, reason, remedy) for part, source in POSTGRES_PARTS.items()}
    report = SourceReport("PostgreSQL", "skipped", 0.0, reason, remedy)
    return structs.replace(snapshot, **gaps, sources=(*snapshot.sources, report))


def refusal(visit: PostgresVisit, now: float) -> Refusal | None:
    """The wall that a visit met, where it met one."""
    failure = visit.answer.failure
    if failure is None or failure.wall is None:
        return None
    return Refusal(
        wall=failure.wall,
        text=failure.text,
        source=f"connection attempt to {visit.answer.address or visit.named}",
        last_at=now,
        user=visit.answer.user,
        database=visit.answer.database,
    )


def with_refusals(snapshot: Snapshot, more: Refusals) -> Snapshot:
    """The snapshot with ``more`` added to the refusals that it has."""
    if isinstance(snapshot.refusals, Refusals):
        have = snapshot.refusals
        more = Refusals((*have.refusals, *more.refusals), (*have.looked_in, *more.looked_in))
    return structs.replace(snapshot, refusals=more)


def with_consoles(snapshot: Snapshot, visits: Sequence[ConsoleVisit]) -> Snapshot:
    """The snapshot with every PgBouncer whose console answered; a gap where none did.

    No console at all to look at is evidence too: an empty PgBouncers, which says that none was found.
    """
    seen = tuple(v.seen for v in visits if isinstance(v.seen, PgBouncer))
    gaps = [v.seen for v in visits if isinstance(v.seen, Unavailable)]
    for visit in visits:
        gap = visit.seen if isinstance(visit.seen, Unavailable) else None
        snapshot = with_report(snapshot, visit.named, visit.seconds, gap)
    # One console that did not answer is a gap, even beside another that did: rules must not judge half of the way.
    return structs.replace(snapshot, pgbouncers=gaps[0] if gaps else PgBouncers(seen))


def with_settings_without_connection(snapshot: Snapshot, settings: Settings | Unavailable) -> Snapshot:
    """The snapshot with settings from pg_controldata and files, where the server itself did not tell them."""
    if isinstance(snapshot.settings, Settings) or isinstance(settings, Unavailable):
        return snapshot
    return structs.replace(snapshot, settings=settings)


def with_report(
    snapshot: Snapshot, name: str, seconds: float, failure: Failure | Unavailable | None, *, partial: bool = False
) -> Snapshot:
    """The snapshot with one more source's report."""
    if failure is None:
        report = SourceReport(name, "ok", seconds)
    else:
        reason = failure.text if isinstance(failure, Failure) else failure.reason
        report = SourceReport(name, "partial" if partial else "failed", seconds, reason, failure.remedy)
    return structs.replace(snapshot, sources=(*snapshot.sources, report))
