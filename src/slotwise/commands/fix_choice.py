"""Chooses the changes: one finding's fix after the other, each tried on the snapshot before the next is chosen.

So two rules never pull in different directions unseen: the second is asked about the system as it would be after the
first one's fix.
"""

from __future__ import annotations

from msgspec import Struct

from slotwise.findings import Change, EndSession, Finding, Manual, RestartProcess, RestartServer, SetOdooOption, Verdict
from slotwise.fixes.rehearse import rehearse
from slotwise.fixes.requested import CONFIGURES, Requested, settled
from slotwise.rules.engine import Rule, judge
from slotwise.snapshot.model import Snapshot

MOST_ROUNDS = 60


class Choice(Struct, frozen=True):
    """The changes that were chosen, what is left for a person, and what the rules say before and after."""

    requests: tuple[Requested, ...]
    notes: tuple[str, ...]
    before: tuple[Verdict, ...]
    after: tuple[Verdict, ...]
    rehearsed: Snapshot


def choose(
    snapshot: Snapshot, rules: tuple[Rule, ...], first: tuple[Requested, ...] = (), named: frozenset[str] = frozenset()
) -> Choice:
    """Fix after fix, the most severe first. ``first`` are changes that are made in any case; ``named`` are the ids of
    the rules that the operator has chosen one by one: only then may a fix take a database out of service."""
    before = verdicts = judge(snapshot, rules)
    requests = list(first)
    notes: list[str] = []
    seen: set[tuple[str, str | None, str]] = set()
    if first:
        snapshot = rehearse(snapshot, tuple(r.change for r in first))
        verdicts = judge(snapshot, rules)
    for _ in range(MOST_ROUNDS):
        chosen = _next(verdicts, seen, named)
        if chosen is None:
            break
        verdict, finding, changes = chosen
        seen.add(_mark(verdict, finding, changes))
        fix = finding.fix
        assert fix is not None
        notes += _notes(finding)
        requests += [Requested(change, finding.message, fix.risk, verdict.id) for change in changes]
        snapshot = rehearse(snapshot, changes)
        verdicts = judge(snapshot, rules)
    notes += [note for v in verdicts for f in v.findings for note in _left(v, f, named)]
    return Choice(settled(tuple(requests)), tuple(dict.fromkeys(notes)), before, verdicts, snapshot)


def _next(
    verdicts: tuple[Verdict, ...], seen: set[tuple[str, str | None, str]], named: frozenset[str]
) -> tuple[Verdict, Finding, tuple[Change, ...]] | None:
    candidates = [
        (finding.severity or verdict.severity, verdict, finding, changes)
        for verdict in verdicts
        for finding in verdict.findings
        if (changes := _configures(finding, verdict.id in named)) and _mark(verdict, finding, changes) not in seen
    ]
    if not candidates:
        return None
    _, verdict, finding, changes = max(candidates, key=lambda c: c[0])
    return verdict, finding, changes


def _mark(verdict: Verdict, finding: Finding, changes: tuple[Change, ...]) -> tuple[str, str | None, str]:
    return verdict.id, finding.subject, repr(changes)


def _configures(finding: Finding, named: bool) -> tuple[Change, ...]:
    """The changes of a fix that ``fix`` makes; none at all where one of them would do harm unasked."""
    changes = finding.fix.changes if finding.fix is not None else ()
    if not named and any(_ends_service(change) for change in changes):
        return ()
    return tuple(change for change in changes if isinstance(change, CONFIGURES))


def _ends_service(change: Change) -> bool:
    """A database that db_name does not list is served no more, and the ones in use now may not be all."""
    return isinstance(change, SetOdooOption) and change.option == "db_name"


def _left(verdict: Verdict, finding: Finding, named: frozenset[str]) -> list[str]:
    """What a finding leaves to do when all chosen changes are made."""
    if _configures(finding, verdict.id in named):
        return []
    fix = finding.fix
    if fix is not None and any(_ends_service(change) for change in fix.changes):
        return [f"{fix.summary} ({fix.risk}): only with --select {verdict.slug}"]
    return _notes(finding)


def _notes(finding: Finding) -> list[str]:
    """What of the fix only a person, or another command, can do."""
    found: list[str] = []
    for change in finding.fix.changes if finding.fix is not None else ():
        if isinstance(change, Manual):
            found.append(change.text)
        elif isinstance(change, EndSession):
            found.append(f"end session pid {change.pid} ({change.reason}): `slotwise reap` does that safely")
        elif isinstance(change, RestartProcess):
            who = f"pid {change.pid}" if change.pid is not None else f"{change.instance}"
            found.append(f"restart {who}: {change.reason}")
        elif isinstance(change, RestartServer):
            found.append(f"restart PostgreSQL at a quiet time ({change.reason}); it ends every session")
    return found
