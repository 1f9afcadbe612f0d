"""The use case ``plan``: reads what is there or meant, plans every server, tries what-ifs, compares old with new."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from slotwise.capacity.deployment import Deployment, OdooHost, PostgresServer
from slotwise.capacity.headroom import BADNESS, Fit
from slotwise.capacity.plan import ServerPlan
from slotwise.capacity.planner import Terms, behind_pgbouncer, plan_server, weigh
from slotwise.capacity.report import PlanReport, WhatIf
from slotwise.capacity.sweep import sweeps, waits
from slotwise.commands.plan_assumptions import assumptions
from slotwise.commands.plan_changes import FLAGS, changed
from slotwise.commands.plan_fields import find_field
from slotwise.commands.plan_subject import DEFAULT_MAX_CONNECTIONS, DEFAULT_VERSION, Subject
from slotwise.errors import ExitCode, OperatorError

if TYPE_CHECKING:
    from slotwise.capacity.managed import Catalogue
    from slotwise.snapshot.model import Snapshot


class PlanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asked for. ``changes`` are the flags by field name (slotwise.commands.plan_fields); ``look``
    reads the host when that is asked for."""

    changes: Mapping[str, object] = {}
    look: Callable[[], Snapshot] | None = None
    snapshot: Path | None = None
    history: Path | None = None
    fleet: Path | None = None
    old: Path | None = None
    new: Path | None = None
    what_ifs: Sequence[str] = ()
    pgbouncer: bool = False
    replica: str | None = None
    rolling: bool = False
    calibrate: bool = False
    old_version: str | None = None
    new_version: str | None = None


def managed_catalogue() -> Catalogue:
    """The managed services that slotwise knows, from its package data."""
    from importlib import resources

    from slotwise.capacity.managed import parse_catalogue

    return parse_catalogue(resources.files("slotwise.capacity").joinpath("managed.json").read_bytes())


def plan(request: PlanRequest) -> PlanReport:
    """The report for ``request``. Raises OperatorError naming the field, flag or file that is wrong."""
    if (request.old is None) != (request.new is None):
        missing = "--from" if request.old is None else "--to"
        raise OperatorError(f"{missing} is missing", "give both --from OLD and --to NEW")
    if request.old is not None and request.new is not None:
        return _compared(request, request.old, request.new)
    subject = _calibrated(_subject(request), request)
    plans = _plans(subject)
    tightest = _tightest(subject, plans)
    return PlanReport(
        subject=subject.name,
        servers=plans,
        assumptions=(*subject.assumed, *assumptions(subject.deployment, subject.terms)),
        sweeps=sweeps(subject.deployment, tightest, subject.terms),
        waits=waits(plans[0].recommended, subject.terms),
        what_ifs=tuple(_what_if(text, subject, tightest) for text in request.what_ifs),
        calibrations=subject.calibrations,
    )


def exit_code(report: PlanReport, *, fail_on_tight: bool = False) -> ExitCode:
    """1 when something does not fit (``fail_on_tight``: or is tight), 3 when it cannot be judged,
    else 0."""
    failing = {Fit.DOES_NOT_FIT, Fit.TIGHT} if fail_on_tight else {Fit.DOES_NOT_FIT}
    if report.verdict in failing:
        return ExitCode.FINDINGS
    return ExitCode.UNKNOWN if report.verdict is Fit.UNKNOWN else ExitCode.HEALTHY


def _subject(request: PlanRequest) -> Subject:
    sources = [flag for flag, path in (("--snapshot", request.snapshot), ("--fleet", request.fleet)) if path]
    if len(sources) > 1:
        raise OperatorError(f"{' and '.join(sources)} together", "give one of them")
    if request.snapshot is not None:
        return _with_flags(_read(request.snapshot, request, None), request)
    if request.fleet is not None:
        return _with_flags(_read(request.fleet, request, None), request)
    if request.look is not None:
        from slotwise.commands.plan_sources import subject_of

        seen = request.look()
        return _with_flags(subject_of(seen, seen.host, request.calibrate), request)
    return _with_flags(_from_flags(request), request)


def _calibrated(subject: Subject, request: PlanRequest) -> Subject:
    if request.history is None:
        return subject
    from slotwise.commands.plan_history import with_history

    return with_history(subject, request.history, request.calibrate)


def _from_flags(request: PlanRequest) -> Subject:
    host = OdooHost(name="odoo", odoo_version=DEFAULT_VERSION)
    assumed = []
    if not {"odoo_version"} & set(request.changes):
        assumed.append(f"Odoo {DEFAULT_VERSION} (--odoo-version)")
    server = PostgresServer()
    if not {"max_connections", "managed"} & set(request.changes):
        server = msgspec.structs.replace(server, max_connections=DEFAULT_MAX_CONNECTIONS)
        assumed.append(f"max_connections = {DEFAULT_MAX_CONNECTIONS}, PostgreSQL's default (--max-connections)")
    return Subject(
        name="flags",
        deployment=Deployment(hosts=(host,), servers=(server,)),
        terms=Terms(),
        assumed=tuple(assumed),
    )


def _with_flags(subject: Subject, request: PlanRequest) -> Subject:
    catalogue = managed_catalogue() if "managed" in request.changes else None
    deployment, terms = changed(subject.deployment, subject.terms, request.changes, FLAGS, catalogue)
    deployment = _with_replica(deployment, request.replica)
    if request.pgbouncer:
        for server in deployment.servers:
            deployment = behind_pgbouncer(deployment, server.name, terms)
    told = [f"--{find_field(name, FLAGS).name.replace('_', '-')}" for name in request.changes]
    assumed = tuple(one for one in subject.assumed if not any(option in one for option in told))
    return msgspec.structs.replace(subject, deployment=deployment, terms=terms, assumed=assumed)


def _with_replica(deployment: Deployment, replica: str | None) -> Deployment:
    """``separate``: a server of its own, sized like the first; ``same``: 18's empty db_replica_host."""
    if replica is None:
        return deployment
    hosts = tuple(
        msgspec.structs.replace(host, replica_server=host.server if replica == "same" else f"{host.server}-replica")
        for host in deployment.hosts
    )
    servers = deployment.servers
    if replica == "separate":
        copies = (
            msgspec.structs.replace(server, name=f"{server.name}-replica", other=0, pgbouncer=None)
            for server in deployment.servers
        )
        servers = (*servers, *copies)
    return Deployment(hosts=hosts, servers=servers)


def _plans(subject: Subject) -> tuple[ServerPlan, ...]:
    """The plan of every server, the tightest first."""
    plans = [plan_server(subject.deployment, server.name, subject.terms) for server in subject.deployment.servers]
    return tuple(sorted(plans, key=_tightness))


def _tightness(plan: ServerPlan) -> tuple[int, float]:
    return -BADNESS[plan.verdict], 0.0 if plan.headroom_ratio is None else plan.headroom_ratio


def _tightest(subject: Subject, plans: tuple[ServerPlan, ...]) -> str:
    if not plans:
        raise OperatorError(f"{subject.name}: no server", "describe at least one server")
    return plans[0].server.name


def _what_if(text: str, subject: Subject, server: str) -> WhatIf:
    """One or several ``field=value`` with commas between them, tried together."""
    changes: dict[str, object] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise OperatorError(f"--what-if {text!r} is not FIELD=VALUE", "write for instance --what-if workers=16")
        changes[name.strip()] = value.strip()
    catalogue = managed_catalogue() if "managed" in changes else None
    deployment, terms = changed(subject.deployment, subject.terms, changes, "--what-if", catalogue)
    weighed = weigh(deployment, server, terms)
    return WhatIf(text, server, weighed.demand, weighed.usable, weighed.fit, weighed.headroom_ratio)


def _compared(request: PlanRequest, old: Path, new: Path) -> PlanReport:
    from slotwise.capacity.transition import transition

    if request.history is not None:
        remedy = "plan each of them by itself with --history, or compare without it"
        raise OperatorError("--history with --from and --to: a history is of one installation", remedy)
    before = _read(old, request, request.old_version)
    if before.bare:
        before = _with_flags(before, msgspec.structs.replace(request, changes=_shared(request.changes)))
    after = _with_flags(_read(new, request, request.new_version), request)
    if request.new_version is not None:
        after = _of_version(after, request.new_version)
    if request.old_version is not None:
        before = _of_version(before, request.old_version)
    names = [server.name for server in after.deployment.servers]
    shared = [name for name in names if any(server.name == name for server in before.deployment.servers)]
    if not shared:
        raise OperatorError(f"{old} and {new} have no server of the same name", "name the server alike in both")
    plans = _plans(after)
    return PlanReport(
        subject=f"{before.name} → {after.name}",
        servers=plans,
        assumptions=(*after.assumed, *assumptions(after.deployment, after.terms)),
        sweeps=sweeps(after.deployment, plans[0].server.name, after.terms),
        waits=waits(plans[0].recommended, after.terms),
        what_ifs=tuple(_what_if(text, after, plans[0].server.name) for text in request.what_ifs),
        transitions=tuple(
            transition(before.deployment, after.deployment, name, after.terms, request.rolling) for name in shared
        ),
    )


def _shared(changes: Mapping[str, object]) -> dict[str, object]:
    """The flags that are true of old and new alike: not the version, which is what changes."""
    return {name: value for name, value in changes.items() if find_field(name, FLAGS).name != "odoo_version"}


def _of_version(subject: Subject, version: str) -> Subject:
    """The same installation under another Odoo."""
    deployment, _terms = changed(subject.deployment, subject.terms, {"odoo_version": version}, FLAGS, None)
    return msgspec.structs.replace(subject, deployment=deployment)


def _read(path: Path, request: PlanRequest, version: str | None) -> Subject:
    """A snapshot, a recording, an odoo.conf or a fleet file, told apart by what it holds."""
    from slotwise.commands.plan_sources import read_subject

    wanted = request.changes.get("odoo_version") if version is None else version
    field = find_field("odoo_version", FLAGS)
    major = None if wanted is None else int(str(field.read("--odoo-version", wanted)))
    return read_subject(path, managed_catalogue, request.calibrate, major)
