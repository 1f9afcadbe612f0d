"""The use case ``fix``: look, judge, choose changes, show them, and apply them with a way back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, structs

from slotwise.apply.files import replace_file
from slotwise.apply.hand import Applied, Hand
from slotwise.apply.journal import Change as JournalledChange
from slotwise.apply.journal import Journals
from slotwise.apply.servers import Servers, Way
from slotwise.commands.fix_choice import Choice, choose
from slotwise.commands.fix_ground import Reach, consoles_of, reach_of, reach_of_dsn, read_ground
from slotwise.commands.fix_pooler import pooler_wanted
from slotwise.commands.fix_restart import Restart, restarts
from slotwise.commands.fix_terms import guide_timeouts, sizing_of
from slotwise.errors import OperatorError
from slotwise.findings import Severity, Verdict
from slotwise.fixes.assemble import Terms, assemble
from slotwise.fixes.remedy import FixPlan
from slotwise.formats.fix_json import output_files
from slotwise.rules.diagnosis import chosen
from slotwise.rules.engine import Rule, judge
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Server

CONSEQUENCES = frozenset({"SW216"})
"""Rules that may speak after a change without being a failure of it: a restart is pending, none was asked for."""

SETTLED_BY_CONFIGURATION = ("SW1", "SW212", "SW213", "SW214", "SW215", "SW3")
"""Starts of ids of the rules that judge configuration rather than the moment: a new finding of one is a failed fix."""


OVERRULED_BY_GUIDE = "SW213"


class FixRequest(Struct, frozen=True, kw_only=True):
    """What the operator asked for. ``dsn`` is the connection that changes are made through, ``pgbouncers`` consoles."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    dsn: str | None = None
    pgbouncers: tuple[str, ...] = ()
    platform: str | None = None
    pooler: bool = False
    pooler_ini: str | None = None
    pooler_lookup: bool = False
    guide_timeouts: bool = False
    standbys_done: bool = False
    restart: bool = False


class Proposal(Struct, frozen=True):
    """What fix proposes, with everything needed to carry it out."""

    request: FixRequest
    snapshot: Snapshot
    choice: Choice
    plan: FixPlan
    reach: Reach
    restarts: tuple[Restart, ...]
    rules: tuple[Rule, ...]


class Outcome(Struct, frozen=True):
    """What was applied, what still needs a restart, and the findings that are left."""

    applied: Applied
    restarted: tuple[str, ...]
    left: tuple[Verdict, ...]


def propose(look: Callable[[], Snapshot], request: FixRequest, live: bool = True) -> Proposal:
    """The changes for what ``look`` sees. ``live`` False: a saved snapshot, of which no file and no server is here."""
    rules = chosen(request.select, request.ignore)
    snapshot = look()
    reach = reach_of(snapshot, request.dsn, request.pgbouncers) if live else Reach()
    first = guide_timeouts(snapshot) if request.guide_timeouts else ()
    # The guide's values are what the rule about timeouts warns of: it was overruled on purpose.
    asked = tuple(r for r in rules if not (first and r.id == OVERRULED_BY_GUIDE))
    choice = choose(
        snapshot, asked, first, frozenset(r.id for r in rules if r.id in request.select or r.slug in request.select)
    )
    ground = read_ground(snapshot, reach, request.platform, live)
    sizing, users = sizing_of(snapshot)
    terms = Terms(users=users, sizing=sizing, standbys_done=request.standbys_done)
    if request.pooler:
        more, notes, ways = pooler_wanted(
            snapshot, sizing, users, ground, request.pooler_ini, request.platform, request.pooler_lookup
        )
        terms = structs.replace(terms, more=more, more_notes=notes)
        choice = structs.replace(choice, requests=(*choice.requests, *ways))
    plan = assemble(choice.requests, snapshot, ground, terms)
    plan = structs.replace(plan, notes=tuple(dict.fromkeys((*plan.notes, *choice.notes))))
    planned = restarts(plan, snapshot) if request.restart else ()
    return Proposal(request, snapshot, choice, plan, reach, planned, asked)


def carry_out(proposal: Proposal, look: Callable[[], Snapshot], state: Path) -> Outcome:
    """Apply the proposal, restart what was asked for, look and judge again; all is put back when that shows a new
    problem. Raises OperatorError with the reason."""
    journals = Journals(state)
    servers = Servers(proposal.reach.database, proposal.reach.consoles)
    after: list[tuple[Verdict, ...]] = []
    restarted: list[str] = []

    def check() -> None:
        for one in proposal.restarts:
            restarted.append(one.what)
            one.run(servers)
        snapshot = look()
        if isinstance(proposal.snapshot.server, Server) and isinstance(snapshot.server, Unavailable):
            raise OperatorError(
                f"after the change PostgreSQL cannot be asked any more: {snapshot.server.reason}",
                snapshot.server.remedy,
            )
        verdicts = judge(snapshot, proposal.rules)
        worse = _worse(proposal.choice.before, verdicts)
        if worse:
            raise OperatorError(f"after the change the rules find something new: {worse}", "see `slotwise doctor`")
        after.append(verdicts)

    with journals.locked():
        _refuse_after_interruption(journals)
        try:
            applied = Hand(journals, servers).apply(proposal.plan, check)
        except OperatorError:
            # What was restarted with the new values, or did not come up with them, gets the old ones back.
            for one in proposal.restarts:
                if one.what in restarted:
                    with suppress(OperatorError):
                        one.run(servers)
            raise
    return Outcome(applied, tuple(restarted), after[-1])


def roll_back(identifier: str | None, state: Path, reach: Reach) -> JournalledChange:
    """Undo a change, the newest where ``identifier`` is None. Raises OperatorError where that is not possible."""
    journals = Journals(state)
    with journals.locked():
        change = journals.find(identifier)
        Hand(journals, Servers(reach.database, reach.consoles)).roll_back(change)
    return change


def way_back(state: Path, identifier: str | None, dsn: str | None, pgbouncers: tuple[str, ...]) -> Reach:
    """How --rollback and --resume reach the servers: as the options say, else as the change itself did."""
    header = (Journals(state).find(identifier or None)).header
    database = reach_of_dsn(dsn)
    if database is None and header.database is not None:
        database = Way("", header.database, header.database_uid)
    consoles = {
        address: Way("", parameters, header.console_uids.get(address))
        for address, parameters in header.consoles.items()
    }
    given = consoles_of(pgbouncers)
    if len(given) == 1 and len(consoles) == 1:
        given = dict(zip(consoles, given.values(), strict=True))
    return Reach(database, {**consoles, **given})


def write_output(plan: FixPlan, directory: str) -> tuple[str, ...]:
    """Write every changed and generated file below ``directory``, readable by its owner only. Raises OperatorError."""
    written: list[str] = []
    for file in output_files(plan):
        path = Path(directory) / file.name
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(str(path), file.text.encode("utf-8", "surrogateescape"), mode=0o600)
        except OSError as error:
            raise OperatorError(f"{path}: {error.strerror}", "give a directory that can be written") from error
        written.append(str(path))
    return tuple(written)


def resume(state: Path, reach: Reach) -> Applied:
    """Finish the change that was interrupted. Raises OperatorError where there is none."""
    journals = Journals(state)
    with journals.locked():
        change = journals.interrupted()
        if change is None:
            raise OperatorError("no change was interrupted", "`slotwise fix --history` lists all")
        hand = Hand(journals, Servers(reach.database, reach.consoles))
        if change.state != "interrupted":
            hand.roll_back(change)
            return Applied(change.header.id)
        return hand.resume(change)


def history(state: Path) -> tuple[JournalledChange, ...]:
    """All changes, oldest first."""
    return Journals(state).all()


def _refuse_after_interruption(journals: Journals) -> None:
    broken = journals.interrupted()
    if broken is not None:
        raise OperatorError(
            f"change {broken.header.id} was interrupted",
            "finish it with `slotwise fix --resume`, or undo it with `slotwise fix --rollback`",
        )


def _worse(before: tuple[Verdict, ...], after: tuple[Verdict, ...]) -> str:
    """Findings about configuration that were not there before, in words; empty where there are none."""
    known = {v.id for v in before if v.findings}
    new = [
        f"{v.id} {finding.message}"
        for v in after
        if v.id not in known and v.id not in CONSEQUENCES and v.id.startswith(SETTLED_BY_CONFIGURATION)
        for finding in v.findings
        if (finding.severity or v.severity) >= Severity.WARNING
    ]
    return "; ".join(new)
