"""reap: look, judge by the policy, and only on request end what it condemns, one session after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from slotwise.apply.servers import Way
from slotwise.collectors.pg_target import Target
from slotwise.commands.fix_ground import own_way
from slotwise.errors import ExitCode, OperatorError
from slotwise.fixes.reaping import Condemned, Protection, ReapPolicy, Round, chosen_session, judge_round
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot

if TYPE_CHECKING:
    from psycopg import Connection

    from slotwise.apply.audit_log import AuditLog
    from slotwise.apply.reaper import Act, Waiting

FORMATS = ("text", "json")


class Reaping(Struct, frozen=True):
    """One round: the judgement, and what was done (None: a dry run). ``unable`` says why nothing could be done."""

    taken_at: float
    judgement: Round | Unavailable
    acts: tuple[Act, ...] | None = None
    audit_file: str | None = None
    unable: str | None = None

    @property
    def exit_code(self) -> ExitCode:
        """Dry run: FINDINGS where somebody would be ended. Acting: FINDINGS where somebody who should be is not.
        UNKNOWN where sessions could not be judged, or the server did not answer."""
        from slotwise.apply.reaper import DONE

        if isinstance(self.judgement, Unavailable) or self.unable is not None:
            return ExitCode.UNKNOWN
        if self.acts is None:
            found = bool(self.judgement.condemned)
        else:
            found = bool(self.judgement.deferred) or any(act.outcome not in DONE for act in self.acts)
        if found:
            return ExitCode.FINDINGS
        return ExitCode.UNKNOWN if self.judgement.unseen else ExitCode.HEALTHY


class Acting(Struct, frozen=True):
    """How to act: by which connection (``dsn`` may hold a password; None: by the first of ``found`` that the server
    lets in), with which audit log (None: the usual place)."""

    dsn: str | None
    audit_file: Path | None = None
    waiting: Waiting | None = None
    found: Callable[[Snapshot], tuple[Way, ...]] | None = None

    def __repr__(self) -> str:
        return "Acting(…)"


def ways_to(snapshot: Snapshot, targets: tuple[Target, ...]) -> tuple[Way, ...]:
    """How to reach the server that was looked at, without being told: root by the server's own socket, then as Odoo's
    roles do. Which sessions they may end, the server decides."""
    own = own_way(snapshot)
    odoo = tuple(
        Way(
            one.dsn,
            {**_libpq(one.environment), "dbname": "postgres", **one.parameters},
            one.run_as.uid if one.run_as else None,
        )
        for one in targets
    )
    return (*((own,) if own is not None else ()), *odoo)


def _libpq(environment: Mapping[str, str] | None) -> dict[str, str]:
    """libpq's variables of another process as connection parameters (fe-connect.c, PQconninfoOptions)."""
    names = {"PGHOSTADDR": "hostaddr", "PGDATABASE": "dbname"}
    usual = ("host", "port", "user", "password", "passfile", "service", "sslmode", "sslrootcert", "sslcert", "sslkey")
    names |= {f"PG{name.upper()}": name for name in usual}
    return {names[name]: value for name, value in (environment or {}).items() if name in names}


def checked(policy: ReapPolicy) -> ReapPolicy:
    """The policy. Raises OperatorError for one that says nothing, or that would end whoever takes a breath."""
    limits = (policy.idle_in_transaction_seconds, policy.idle_seconds, policy.active_seconds)
    given = [limit for limit in limits if limit is not None]
    if not given:
        remedy = "give --idle-in-transaction, --idle or --active SECONDS"
        raise OperatorError("the policy names no state that a session may be too long in", remedy)
    if min(given) < 1:
        raise OperatorError("a limit below one second would end sessions at work", "give a longer one")
    return policy


def reap(look: Callable[[], Snapshot], policy: ReapPolicy, acting: Acting | None = None) -> Reaping:
    """One round. Without ``acting`` nothing is ended."""
    checked(policy)
    if acting is None:
        snapshot = look()
        return Reaping(snapshot.taken_at, judge_round(snapshot, policy))
    from slotwise.apply.audit_log import AuditLog, default_audit_file

    # Before anything is looked at: without a log nothing may be done.
    with AuditLog(acting.audit_file or default_audit_file()) as audit:
        snapshot = look()
        judgement = judge_round(snapshot, policy)
        file = str(audit.file)
        if isinstance(judgement, Unavailable) or not judgement.condemned:
            return Reaping(snapshot.taken_at, judgement, (), file)
        acts, unable = _end_all(judgement.condemned, acting, audit, snapshot)
        return Reaping(snapshot.taken_at, judgement, acts, file, unable)


def _end_all(
    condemned: tuple[Condemned, ...], acting: Acting, audit: AuditLog, snapshot: Snapshot
) -> tuple[tuple[Act, ...], str | None]:
    import psycopg

    from slotwise.apply.reaper import end_session

    acts: list[Act] = []
    try:
        with _connection(acting, snapshot) as connection:
            for one in condemned:
                act = end_session(connection, one, audit, waiting=acting.waiting)
                acts.append(act)
                if act.outcome == "lost":
                    return tuple(acts), f"the server does not answer any more: {act.words}"
    except psycopg.Error as error:
        from slotwise.collectors.pg_failures import failure_of

        return tuple(acts), failure_of(str(error)).text
    return tuple(acts), None


@contextmanager
def _connection(acting: Acting, snapshot: Snapshot) -> Iterator[Connection[tuple[object, ...]]]:
    """As told, else by the first way that the server lets in. Raises psycopg.OperationalError where none does,
    OperatorError where there is none."""
    import psycopg

    from slotwise.apply.reaper import acting_connection

    if acting.dsn is not None:
        with acting_connection(acting.dsn) as connection:
            yield connection
        return
    ways = acting.found(snapshot) if acting.found is not None else ()
    if not ways:
        raise OperatorError("no way to the server was found that sessions could be ended by", "give --dsn")
    with ExitStack() as opened:
        for last, way in enumerate(ways, 1 - len(ways)):
            try:
                connection = opened.enter_context(acting_connection(way))
                break
            except psycopg.OperationalError:
                if last == 0:
                    raise
        yield connection


def end_chosen(
    snapshot: Snapshot, pid: int, backend_start: float, reason: str, acting: Acting, *, only_cancel: bool = False
) -> Act | Protection:
    """End (or only cancel) one session that a person points at, behind the same guards and with the same audit log.

    ``backend_start`` is the one that the snapshot shows. A Protection says why it is not ended. Raises OperatorError
    where the audit log cannot be written, psycopg.OperationalError where the server refuses the connection.
    """
    from slotwise.apply.audit_log import AuditLog, default_audit_file
    from slotwise.apply.reaper import end_session

    condemned = chosen_session(snapshot, pid, backend_start, reason)
    if isinstance(condemned, Protection):
        return condemned
    with AuditLog(acting.audit_file or default_audit_file()) as audit, _connection(acting, snapshot) as connection:
        return end_session(connection, condemned, audit, waiting=acting.waiting, only_cancel=only_cancel)


def reap_for_ever(
    one_round: Callable[[], Reaping],
    tell: Callable[[Reaping], None],
    every_seconds: float,
    wait: Callable[[float], bool],
) -> ExitCode:
    """Round after round until ``wait`` says that it is to end. A server that is away is there again next round.

    Returns the last round's exit code. Rounds begin ``every_seconds`` apart; one that takes longer delays the next.
    """
    while True:
        began = time.monotonic()
        result = one_round()
        tell(result)
        if wait(max(0.0, began + every_seconds - time.monotonic())):
            return result.exit_code


def said(result: Reaping, form: str, *, colour: bool = False, width: int = 100) -> str:
    """The round in one of FORMATS."""
    from slotwise.formats.reap_report import ActLine, ReapReport, reap_json, reap_text

    acts = None
    if result.acts is not None:
        acts = tuple(ActLine(a.condemned, a.signals, a.outcome, a.words) for a in result.acts)
    report = ReapReport(result.taken_at, result.judgement, acts, result.audit_file, result.unable, result.exit_code)
    if form == "json":
        return reap_json(report)
    return reap_text(report, colour=colour, width=width)
