"""Everything that doctor has to say about a Snapshot, as one value: slots, holders, demand, verdicts, exit code."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from slotwise.capacity.from_snapshot import InstallationDemand, installation_demand
from slotwise.capacity.slots import Slots, slots
from slotwise.errors import ExitCode, OperatorError
from slotwise.findings import Severity, Verdict
from slotwise.rules.engine import Rule, catalogue, judge
from slotwise.snapshot.evidence import SourceReport, Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.ownership import Held, Sessions
from slotwise.snapshot.session_kinds import is_cron_lock, is_idle_in_transaction, is_listener
from slotwise.snapshot.sessions import sessions

LISTENING = "idle (listens)"
SCHEDULED_ACTION = "idle in transaction (scheduled action)"


class Holder(Struct, frozen=True):
    """Sessions that one process holds on one database as one role. ``states`` counts them by state.

    ``role`` is the part the process plays in Odoo, ``unknown`` for any other program (``process`` then has its name).
    ``pid`` is None where the owner is not visible; ``owner`` says how sure that is; ``behind`` are the pids at the
    far side of a pooler.
    """

    host: str | None
    pid: int | None
    role: str
    process: str | None
    owner: str
    database: str | None
    user: str | None
    application: str | None
    count: int
    states: dict[str, int]
    backends: tuple[int, ...]
    behind: tuple[int, ...] = ()


class Diagnosis(Struct, frozen=True):
    """The result of doctor. ``slots`` and ``holders`` are Unavailable where no session could be seen."""

    snapshot: Snapshot
    slots: Slots | Unavailable
    holders: tuple[Holder, ...] | Unavailable
    demand: InstallationDemand | Unavailable
    verdicts: tuple[Verdict, ...]
    rules: tuple[Rule, ...]
    exit_code: ExitCode

    @property
    def sources(self) -> tuple[SourceReport, ...]:
        """How each collector fared."""
        return self.snapshot.sources


def diagnose(
    snapshot: Snapshot,
    select: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    fail_on: Severity = Severity.CRITICAL,
) -> Diagnosis:
    """Judge the snapshot by the chosen rules. Raises OperatorError for a rule that does not exist."""
    rules = chosen(select, ignore)
    verdicts = judge(snapshot, rules)
    demand = installation_demand(snapshot)
    return Diagnosis(
        snapshot, slots(snapshot), holders(snapshot), demand, verdicts, rules, exit_code(verdicts, fail_on)
    )


def chosen(select: tuple[str, ...], ignore: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules that ``select`` names (all when empty) less those that ``ignore`` names; by id, slug or start of an
    id (``SW2``)."""
    rules = catalogue()
    for name in (*select, *ignore):
        if not any(_is_named(r, name) for r in rules):
            raise OperatorError(f"there is no rule {name!r}", "`slotwise rules` lists ids and slugs")
    kept = [r for r in rules if not select or any(_is_named(r, name) for name in select)]
    return tuple(r for r in kept if not any(_is_named(r, name) for name in ignore))


def _is_named(rule: Rule, name: str) -> bool:
    return bool(name) and (rule.slug == name.lower() or rule.id.startswith(name.upper()))


def exit_code(verdicts: tuple[Verdict, ...], fail_on: Severity) -> ExitCode:
    """1 when a finding reaches ``fail_on``; else 3 when a rule that could reach it could not judge; else 0."""
    findings = [f.severity or v.severity for v in verdicts for f in v.findings]
    if any(severity >= fail_on for severity in findings):
        return ExitCode.FINDINGS
    if any(v.missing and v.severity >= fail_on for v in verdicts):
        return ExitCode.UNKNOWN
    return ExitCode.HEALTHY


def holders(snapshot: Snapshot) -> tuple[Holder, ...] | Unavailable:
    """Who holds the slots: most first. One row per process, database, role and application_name."""
    seen = sessions(snapshot)
    return seen if isinstance(seen, Unavailable) else holders_of(snapshot.host, seen)


def holders_of(host: str, seen: Sessions) -> tuple[Holder, ...]:
    """``holders`` of sessions whose owners are known already."""
    groups: dict[tuple[object, ...], list[Held]] = {}
    for held in seen.held:
        owner, backend = held.owner, held.backend
        place = backend.client_addr if owner.certainty == "foreign" else None
        key = (owner.certainty, owner.pid, place, owner.role, backend.database, backend.user, backend.application_name)
        groups.setdefault(key, []).append(held)
    rows = (_holder(host, group) for group in groups.values())
    return tuple(sorted(rows, key=lambda h: (-h.count, h.role, h.pid or 0, h.database or "", h.application or "")))


def _holder(host: str, group: list[Held]) -> Holder:
    owner, backend = group[0].owner, group[0].backend
    where = {"known": host, "orphan": host, "foreign": backend.client_addr}.get(owner.certainty)
    return Holder(
        host=where,
        pid=owner.pid,
        role=owner.role,
        process=owner.name,
        owner=owner.certainty,
        database=backend.database,
        user=backend.user,
        application=backend.application_name,
        count=len(group),
        states=dict(Counter(_state(h) for h in group)),
        backends=tuple(sorted(h.backend.pid for h in group)),
        behind=tuple(sorted({h.owner.behind for h in group if h.owner.behind is not None})),
    )


def _state(held: Held) -> str:
    """The session's state in PostgreSQL's words, with Odoo's two by-design cases told apart."""
    backend = held.backend
    if backend.state is None:
        return "not visible"
    if is_idle_in_transaction(backend) and is_cron_lock(backend):
        return SCHEDULED_ACTION
    if is_listener(held):
        return LISTENING
    return backend.state
