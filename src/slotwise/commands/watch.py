"""watch: what one look at a live or saved system shows on the screen, as one small value that crosses a pipe."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct, structs

from slotwise.capacity.slots import Slots, slots
from slotwise.findings import Finding, Severity, Verdict
from slotwise.forecast.lives import Leaking, Lives, lives_of, starts_of
from slotwise.forecast.saturation import Forecast, forecast
from slotwise.forecast.series import Sample
from slotwise.formats.growth_text import REMEDY, grows, why
from slotwise.history.sample import round_of, series_of
from slotwise.rules.engine import catalogue, judge
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.holders import Holder, holders
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.ownership import Held
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.postgres import Locks, Server
from slotwise.snapshot.processes import Processes
from slotwise.snapshot.round import Round, is_restart
from slotwise.snapshot.session_kinds import is_cron_lock, is_idle_in_transaction, is_listener
from slotwise.snapshot.sessions import sessions

KEPT_SAMPLES = 20_000
"""A day at one look in 5 s: more the forecast does not need, and it bounds the memory of a screen that is left open."""
DRAWN_SAMPLES = 600
"""Samples that cross to the screen: more than the widest terminal has columns."""
LONGEST_STATEMENT = 4000


class Session(Struct, frozen=True, array_like=True, gc=False):
    """One client session as the screen shows it. Seconds are before the look; None is *not visible*.

    ``holder`` names who holds it (``http_worker 4121``), ``role`` the part that this one plays. ``waits_for`` are the
    pids that block it, 0 a prepared transaction.
    """

    pid: int
    started: float | None
    database: str | None
    user: str | None
    application: str | None
    client: str | None
    state: str
    wait: str | None
    transaction_seconds: float | None
    state_seconds: float | None
    statement: str | None
    holder: str
    role: str
    how: str
    waits_for: tuple[int, ...] = ()


class PoolLine(Struct, frozen=True, array_like=True):
    """One row of SHOW POOLS with its PgBouncer's address."""

    pgbouncer: str
    database: str
    user: str
    mode: str | None
    clients: int
    waiting: int
    servers_active: int
    servers_idle: int
    maxwait_seconds: float


class Said(Struct, frozen=True, array_like=True):
    """One finding: its rule, how soon somebody must act, what is wrong and what to do about it."""

    id: str
    severity: int
    subject: str | None
    message: str
    remedy: str | None


class Watched(Struct, frozen=True, kw_only=True):
    """One look. ``slots`` and ``sessions`` are a gap's words where nobody could see them: never an empty list.

    ``findings`` were judged on the snapshot of ``judged_at``; ``unknown`` names the rules that could not judge.
    ``drawn`` are the latest counts of used slots, None for a gap; ``failed`` says which sources did not answer;
    ``leaking`` are processes that grow at flat load. ``replayed`` says where in a recorded history this is, None for a
    look at sessions themselves.
    """

    taken_at: float
    host: str
    server: str | None
    slots: Slots | None
    gap: str | None
    sessions: tuple[Session, ...]
    locks_known: bool
    pools: tuple[PoolLine, ...]
    pools_gap: str | None
    findings: tuple[Said, ...] = ()
    unknown: tuple[str, ...] = ()
    judged_at: float | None = None
    forecast: Forecast | None = None
    drawn: tuple[tuple[float, float | None], ...] = ()
    failed: tuple[str, ...] = ()
    leaking: tuple[Leaking, ...] = ()
    replayed: str | None = None


class Watcher:
    """Looks again and again, remembers the counts, and judges as often as that stays cheap."""

    def __init__(
        self,
        source: Callable[[], Snapshot],
        clock: Callable[[], float],
        past: Iterable[Sample] = (),
        remembered: Callable[[float, float], Sequence[Round]] = lambda at, started_at: (),
    ) -> None:
        """``clock`` counts seconds (monotonic) and only paces the judging; ``past`` is known history of used slots.

        ``remembered`` gives the rounds that a history holds of the server that was started at the second moment, until
        the first one (both epoch seconds); none where it is another server's.
        """
        self._source = source
        self._clock = clock
        self._samples: deque[Sample] = deque(past, maxlen=KEPT_SAMPLES)
        self._verdicts: tuple[Verdict, ...] = ()
        self._judged_at: float | None = None
        self._judge_again = 0.0
        self._forecast: Forecast | None = None
        self._server_start: float | None = None
        self._remembered = remembered
        self._lives = Lives()
        self._leaking: tuple[Leaking, ...] = ()
        self.round: Round | None = None
        """The last look as a history keeps it."""

    def look(self) -> Watched:
        """One look. Raises OperatorError where the source does."""
        snapshot = self._source()
        taken = slots(snapshot)
        self._remember(snapshot, taken)
        self._think(snapshot, taken)
        found = [(v, f) for v in self._verdicts for f in v.findings]
        watched = watched_of(
            snapshot,
            taken,
            findings=tuple(sorted((_said(v, f) for v, f in found), key=lambda s: (-s.severity, s.id))),
            unknown=tuple(v.id for v in self._verdicts if v.missing),
            judged_at=self._judged_at,
            forecast=self._forecast,
            drawn=tuple((s.at, s.used) for s in list(self._samples)[-DRAWN_SAMPLES:]),
        )
        told = tuple(leak_said(one, snapshot.taken_at) for one in self._leaking)
        said = tuple(sorted((*told, *watched.findings), key=lambda s: -s.severity))
        return structs.replace(watched, leaking=self._leaking, findings=said)

    def _remember(self, snapshot: Snapshot, taken: Slots | Unavailable) -> None:
        started = snapshot.server.started_at if isinstance(snapshot.server, Server) else None
        if started is not None and self._server_start is None:
            self._recall(snapshot.taken_at, started)
        before, seen_at = self._server_start, self._samples[-1].at if self._samples else 0.0
        restarted = started is not None and before is not None and is_restart(before, seen_at, started)
        self._server_start = started if before is None or restarted else before
        used = taken.used if isinstance(taken, Slots) else None
        if not self._samples or snapshot.taken_at > self._samples[-1].at:
            self._samples.append(Sample(snapshot.taken_at, None if used is None else float(used), restarted))
        self.round = round_of(snapshot)
        self._lives.add(self.round, starts_of(snapshot))

    def _recall(self, at: float, started_at: float) -> None:
        """Begin with what the history holds of this server, where it holds any."""
        rounds = self._remembered(at, started_at)
        if rounds and not any(s.used is not None for s in self._samples):
            self._samples = deque(series_of(list(rounds)), maxlen=KEPT_SAMPLES)
            self._lives = lives_of(rounds)

    def _think(self, snapshot: Snapshot, taken: Slots | Unavailable) -> None:
        """Judging a server with thousands of sessions takes seconds: it may take a tenth of the time and no more."""
        before = self._clock()
        if before < self._judge_again:
            return
        self._verdicts = judge(snapshot, catalogue())
        self._judged_at = snapshot.taken_at
        self.round = round_of(snapshot, self._verdicts)
        if isinstance(taken, Slots):
            self._forecast = forecast(self._samples, taken.usable)
        self._leaking = self._lives.leaking()
        after = self._clock()
        self._judge_again = after + 9 * (after - before)


def watched_of(
    snapshot: Snapshot,
    taken: Slots | Unavailable,
    *,
    findings: tuple[Said, ...] = (),
    unknown: tuple[str, ...] = (),
    judged_at: float | None = None,
    forecast: Forecast | None = None,
    drawn: tuple[tuple[float, float | None], ...] = (),
) -> Watched:
    """The screen's value of one snapshot."""
    server = snapshot.server
    pools, pools_gap = _pools(snapshot)
    seen, gap = _sessions(snapshot)
    if isinstance(taken, Unavailable):
        gap = f"{taken.source}: {taken.reason}"
    return Watched(
        taken_at=snapshot.taken_at,
        host=snapshot.host,
        server=f"PostgreSQL {server.major} at {server.address}" if isinstance(server, Server) else None,
        slots=None if isinstance(taken, Unavailable) else taken,
        gap=gap,
        sessions=seen,
        locks_known=isinstance(snapshot.locks, Locks),
        pools=pools,
        pools_gap=pools_gap,
        findings=findings,
        unknown=unknown,
        judged_at=judged_at,
        forecast=forecast,
        drawn=drawn,
        failed=tuple(f"{s.name}: {s.reason}" for s in snapshot.sources if s.state in ("failed", "partial")),
    )


def _sessions(snapshot: Snapshot) -> tuple[tuple[Session, ...], str | None]:
    seen = sessions(snapshot)
    if isinstance(seen, Unavailable):
        return (), f"{seen.source}: {seen.reason}"
    processes = snapshot.processes if isinstance(snapshot.processes, Processes) else None
    blocked = {b.pid: b.blockers for b in snapshot.locks.blocked} if isinstance(snapshot.locks, Locks) else {}
    rows = (
        _session(held, holder, snapshot.taken_at, blocked.get(held.backend.pid, ()))
        for holder in holders(seen, processes)
        for held in holder.held
    )
    return tuple(rows), None


def _session(held: Held, holder: Holder, now: float, waits_for: tuple[int, ...]) -> Session:
    backend = held.backend
    statement = backend.query
    return Session(
        pid=backend.pid,
        started=backend.backend_start,
        database=backend.database,
        user=backend.user,
        application=backend.application_name,
        client=_client(held),
        state=state_words(held),
        wait=f"{backend.wait_event_type}: {backend.wait_event}" if backend.wait_event_type else None,
        transaction_seconds=_age(backend.xact_start, now),
        state_seconds=_age(backend.state_change, now),
        statement=None if statement is None else statement[:LONGEST_STATEMENT],
        holder=holder.label,
        role=_role(holder),
        how=held.owner.how,
        waits_for=waits_for,
    )


def _age(at: float | None, now: float) -> float | None:
    return None if at is None else max(0.0, now - at)


def _client(held: Held) -> str | None:
    port = held.backend.client_port
    if port is None:
        return None
    return "local socket" if port < 0 else f"{held.backend.client_addr or '?'}:{port}"


_CERTAINTY = {"foreign": "other host", "orphan": "gone client", "unknown": "not visible"}


def _role(holder: Holder) -> str:
    if holder.certainty != "known":
        return _CERTAINTY[holder.certainty]
    return holder.role if holder.role != "unknown" else holder.label.split(" ")[0]


def state_words(held: Held) -> str:
    """PostgreSQL's word for the state, with Odoo's two by-design cases told apart."""
    backend = held.backend
    if backend.state is None:
        return "not visible"
    if is_idle_in_transaction(backend) and is_cron_lock(backend):
        return "idle in transaction (job)"
    if is_listener(held):
        return "idle (listens)"
    return backend.state


def _pools(snapshot: Snapshot) -> tuple[tuple[PoolLine, ...], str | None]:
    if not isinstance(snapshot.pgbouncers, PgBouncers):
        return (), f"{snapshot.pgbouncers.source}: {snapshot.pgbouncers.reason}"
    lines = (
        PoolLine(
            b.address,
            p.database,
            p.user,
            p.pool_mode,
            p.cl_active,
            p.cl_waiting,
            p.sv_active,
            p.sv_idle + p.sv_used,
            p.maxwait_seconds,
        )
        for b in snapshot.pgbouncers.pgbouncers
        for p in b.pools
    )
    return tuple(lines), None


def _said(verdict: Verdict, finding: Finding) -> Said:
    severity: Severity = finding.severity if finding.severity is not None else verdict.severity
    remedy = finding.fix.summary if finding.fix is not None else None
    return Said(verdict.id, int(severity), finding.subject, finding.message, remedy)


def leak_said(one: Leaking, now: float) -> Said:
    """A process that leaks, among the findings: no rule sees it, because a rule sees one moment."""
    return Said("leak", int(Severity.WARNING), one.name, f"{grows(one, now)} ({why(one, now)})", REMEDY)
