"""The use case: find the knee and the wall of a staging Odoo over HTTP, and leave it as it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from msgspec import Struct

from slotwise import __version__
from slotwise.collectors.runner import Request
from slotwise.commands.load_connections import step_line
from slotwise.commands.load_target import inspected
from slotwise.errors import OperatorError
from slotwise.load.knee import knee
from slotwise.load.model import installed_hosts, model_of_installation, remedy_for
from slotwise.load.people import MARKER, People, settings_of
from slotwise.load.ramp import Goal, Limits
from slotwise.load.report import LoadReport, Model, report_of
from slotwise.load.safety import production_name
from slotwise.loadtest.connections import Outcome
from slotwise.loadtest.ending import Interrupted, ends_at_once
from slotwise.loadtest.generators import Generators, check_locust
from slotwise.loadtest.odoo_web import OdooSession
from slotwise.loadtest.people_load import run
from slotwise.snapshot.model import Snapshot

BUSY_GENERATOR_RATIO = 0.8
"""Above this share of a core the generator may be the bottleneck itself."""
LATE_GENERATOR_SECONDS = 0.02


class HttpRequest(Struct, frozen=True, kw_only=True):
    """What ``slotwise load http`` was asked for. ``observe`` is the PostgreSQL whose slots are watched; None: nobody
    watches, and the target must be declared as staging, since nobody can see whether users are at work."""

    people: People
    password: str
    limits: Limits = Limits()
    goal: Goal = Goal()
    observe: str | None = None
    consoles: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    is_staging: bool = False
    generators: int = 1
    remote_workers: int = 0
    bind: str = "127.0.0.1"
    port: int = 0
    keep_records: bool = False

    def __repr__(self) -> str:
        return f"HttpRequest(people={self.people!r})"


def load_http(request: HttpRequest, say: Callable[[str], None]) -> LoadReport:
    """Run it, judge it, remove what it has created. Raises OperatorError before anything is loaded when the target may
    be production or does not answer."""
    check_locust()
    people = request.people
    looking = None
    if request.observe is not None:
        looking = Request(
            dsn=request.observe, pgbouncer_dsns=request.consoles, log_files=request.logs, timeout_seconds=5.0
        )
    started_at, began = time.time(), time.monotonic()
    notes: list[str] = []
    with ends_at_once():
        try:
            before = _inspected(request, looking)
            outcome = _loaded(request, looking, say, notes)
        except Interrupted:
            raise KeyboardInterrupt from None
    if outcome.stop.reason == "interrupted" and not outcome.steps:
        raise KeyboardInterrupt
    found = knee(outcome.steps, people.seed)
    return report_of(
        slotwise_version=__version__,
        kind="http",
        subject=people.url,
        started_at=started_at,
        seconds=time.monotonic() - began,
        scenario=said(people),
        steps=outcome.steps,
        stop=outcome.stop,
        wanted=request.goal,
        seed=people.seed,
        model=Model(gap="nobody looked at the server (--observe)")
        if before is None
        else model_of_installation(before, outcome.steps),
        remedy=None if before is None else remedy_for(installed_hosts(before), before, found, found.unloaded_seconds),
        notes=(*notes, *_about_generator(outcome)),
    )


def remove_records(people: People, password: str, is_staging: bool, say: Callable[[str], None]) -> int:
    """Delete what earlier load tests have left, in every database; how many records that were."""
    _refuse_names(people, is_staging)
    removed = 0
    for database in people.databases:
        here = OdooSession(people.url, database, people.logins[0], password).remove_marked()
        say(f"{database}: {here} records with {MARKER!r} in their name removed")
        removed += here
    return removed


def _inspected(request: HttpRequest, looking: Request | None) -> Snapshot | None:
    people = request.people
    if looking is not None:
        return inspected(looking, people.databases, (people.url,), None, request.is_staging)
    _refuse_names(people, request.is_staging)
    if not request.is_staging:
        raise OperatorError(
            "nobody can see whether users are at work on this Odoo",
            "give --observe DSN of its PostgreSQL, or say --target-is-staging",
        )
    return None


def _refuse_names(people: People, is_staging: bool) -> None:
    name = production_name(*people.databases, people.url)
    if name is not None and not is_staging:
        raise OperatorError(
            f"the target looks like production: {name!r} sounds like production",
            "load a staging server; if this is one, say so with --target-is-staging",
        )


def _loaded(request: HttpRequest, looking: Request | None, say: Callable[[str], None], notes: list[str]) -> Outcome:
    """Prepare, load, and clean up whatever happens."""
    people = request.people
    sessions = {name: OdooSession(people.url, name, people.logins[0], request.password) for name in people.databases}
    with ExitStack() as ending:
        if people.writes and not request.keep_records:
            # Workers elsewhere have markers of their own.
            marker = MARKER if request.remote_workers else people.marker
            ending.callback(_clean, sessions, marker, notes, say)
        channels: dict[str, int] = {}
        for session in sessions.values():
            session.prime()
        for name, session in sessions.items() if people.writes else ():
            channel = session.open_channel(f"{people.marker} channel")
            if channel is None:
                notes.append(f"{name} has no Discuss: no messages were posted")
            else:
                channels[name] = channel
        generators = Generators(
            settings_of(people, request.password, channels),
            request.generators,
            remote=request.remote_workers,
            address=request.bind,
            port=request.port,
        )
        return run(people, generators, looking, request.limits, request.goal, lambda step: say(step_line(step)))


def _clean(sessions: dict[str, OdooSession], marker: str, notes: list[str], say: Callable[[str], None]) -> None:
    """Remove this test's records. A ^C in here does not leave them: the signal is noted and the work done again."""
    for name, session in sessions.items():
        try:
            try:
                removed = session.remove_marked(marker)
            except Interrupted:
                removed = session.remove_marked(marker)
        except OperatorError as error:
            words = f"{name}: the records named {marker!r} could not be removed ({error.problem})"
            notes.append(f"{words}; `slotwise load http --cleanup` tries again")
            say(words)
            continue
        notes.append(f"{name}: {removed} records named {marker!r} were removed")


def _about_generator(outcome: Outcome) -> tuple[str, ...]:
    """Whether the generator itself was in the way."""
    shares = [s.generator_cpu_ratio for s in outcome.steps if s.generator_cpu_ratio is not None]
    late = [s.lateness_p95_seconds for s in outcome.steps if s.lateness_p95_seconds is not None]
    if not shares or not late:
        return ()
    busy = max(shares) > BUSY_GENERATOR_RATIO or max(late) > LATE_GENERATOR_SECONDS
    words = f"the generator used {max(shares):.0%} of a core at most, and was {max(late) * 1000:.1f} ms late (p95)"
    return (f"{words}: it may be the bottleneck itself, use more --generators" if busy else words,)


def said(people: People) -> dict[str, str | int | float | None]:
    """The scenario as names and values."""
    return {
        "url": people.url,
        "databases": ",".join(people.databases),
        "logins": len(people.logins),
        "think_seconds": people.think_seconds,
        "rpc_ratio": people.rpc_ratio,
        "rpc": people.rpc,
        "websocket_ratio": people.websocket_ratio,
        "writes": str(people.writes).lower(),
        "seed": people.seed,
    }
