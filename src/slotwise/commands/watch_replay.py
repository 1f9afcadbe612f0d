"""Replays a recorded history on the screen of watch, round by round: counts and holders, as they were seen then."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from slotwise.capacity.slots import Slots
from slotwise.commands.watch import DRAWN_SAMPLES, PoolLine, Said, Session, Watched, leak_said
from slotwise.commands.watch_feed import NoLook
from slotwise.errors import OperatorError
from slotwise.findings import Severity
from slotwise.forecast.lives import BUCKET_SECONDS, REMEMBERED_SECONDS, lives_of
from slotwise.forecast.saturation import forecast
from slotwise.history.reading import Reader
from slotwise.history.sample import series_of
from slotwise.snapshot.round import FindingSeen, HolderCount, PoolCount, Round

MOST_ROUNDS = 3_000
"""Rounds of the whole history that are walked through; a longer one is walked in sums of five minutes or an hour."""
CLOSE_SECONDS = 3600.0
"""How much to either side is seen close up, look by look."""
_JUDGED_SECONDS = 180.0
_SEVERITIES = {severity.word: int(severity) for severity in Severity}
_OWNERS = {"foreign": "other host", "orphan": "gone client", "unknown": "not visible"}


class Replay:
    """A history file as a feed: ``look`` shows the round at which it stands, ``move`` and ``zoom`` go elsewhere."""

    live = False

    def __init__(self, path: Path) -> None:
        """Check that the file can be read. Raises OperatorError where it cannot, or holds nothing."""
        reader = Reader(path)
        try:
            if reader.newest() is None:
                raise OperatorError(f"the history {path} is empty", "give one that `slotwise record` has filled")
        finally:
            reader.close()
        self._path = path
        self._reader: Reader | None = None
        self._rounds: list[Round] = []
        self._whole: list[Round] = []
        self._at: float | None = None
        self._close_up = False
        self._lock = threading.Lock()
        self._steps = 0
        self._zoomed = False

    def move(self, steps: int) -> None:
        """Stand so many rounds later, or earlier where it is negative, when the next look is asked for. Any thread."""
        with self._lock:
            self._steps += steps

    def zoom(self) -> None:
        """Walk look by look within an hour of here, or over the whole history again. Any thread."""
        with self._lock:
            self._zoomed = not self._zoomed

    def look(self) -> Watched:
        """The round at which it stands: at first the newest. Raises NoLook where the file cannot be read any more."""
        with self._lock:
            steps, self._steps, close_up = self._steps, 0, self._zoomed
        try:
            if not self._rounds or close_up != self._close_up:
                self._load(close_up)
        except OperatorError as error:
            raise NoLook(f"{error.problem} ({error.remedy})") from error
        position = self._position()
        position = max(0, min(len(self._rounds) - 1, position + steps))
        self._at = self._rounds[position].at
        past = [r for r in self._whole if r.at <= self._at]
        return watched_round(self._rounds, position, past, self._day(past), self._path.name, close_up=close_up)

    def saved(self) -> bytes:
        """Raises NoLook: a history holds counts and no snapshot."""
        raise NoLook("a history holds no snapshot to save")

    def keep(self, path: Path | None) -> str:
        """Raises NoLook: it is recorded already."""
        raise NoLook("this is a recording already")

    def end(self, session: Session, *, only_cancel: bool) -> str:
        """Raises NoLook: what was recorded is over."""
        raise NoLook("this was recorded: there is no session to end")

    def close(self) -> None:
        """The file is closed with the thread that reads it."""

    def _load(self, close_up: bool) -> None:
        # The file is opened in the thread that looks: SQLite's connections belong to one.
        self._reader = self._reader or Reader(self._path)
        if close_up and self._at is not None:
            found = self._reader.rounds(self._at - CLOSE_SECONDS, self._at + CLOSE_SECONDS)
        else:
            found = self._reader.best(0.0, float("inf"), MOST_ROUNDS)
        if not close_up:
            self._whole = found
        if found:
            self._rounds = found
        self._close_up = close_up

    def _day(self, past: Sequence[Round]) -> list[Round]:
        """The last day in rounds that are no longer than five minutes: growth is judged on them."""
        assert self._at is not None
        day = [r for r in past if r.at >= self._at - REMEMBERED_SECONDS]
        if any(r.seconds > BUCKET_SECONDS for r in day) and self._reader is not None:
            try:
                return self._reader.rounds(self._at - REMEMBERED_SECONDS, self._at + 1, 300)
            except OperatorError as error:
                raise NoLook(f"{error.problem} ({error.remedy})") from error
        return day

    def _position(self) -> int:
        if self._at is None:
            return len(self._rounds) - 1
        at = self._at
        return min(range(len(self._rounds)), key=lambda n: abs(self._rounds[n].at - at))


def watched_round(
    rounds: Sequence[Round],
    position: int,
    past: Sequence[Round],
    day: Sequence[Round],
    name: str,
    *,
    close_up: bool = False,
) -> Watched:
    """What the screen shows of the round at ``position``: no transaction and no statement, because none was kept.

    ``past`` is the whole history until then, ``day`` its last day.
    """
    here, before = rounds[position], rounds[: position + 1]
    taken = None
    if here.max_connections is not None and here.usable is not None and here.reserved is not None:
        at_least = here.used if here.used is not None else 0
        taken = Slots(here.max_connections, here.reserved, here.usable, here.used, at_least, None, "history")
    leaking = lives_of({int(r.at // BUCKET_SECONDS): r for r in day}.values()).leaking()
    findings = [leak_said(one, here.at) for one in leaking] + [_said(f) for f in _findings(before)]
    when = datetime.fromtimestamp(here.at).strftime("%a %Y-%m-%d %H:%M:%S")
    width = f"peak of {here.seconds / 60:.0f} min" if here.seconds else "one look"
    return Watched(
        taken_at=here.at,
        host=name,
        server=None,
        slots=taken,
        gap=here.gap,
        sessions=_sessions(here.holders) if here.used is not None else (),
        locks_known=False,
        pools=tuple(_pool(p) for p in here.pools),
        pools_gap="no pool was seen in this round",
        findings=tuple(sorted(findings, key=lambda s: -s.severity)),
        unknown=(),
        judged_at=here.at if any(_is_judged(r, here.at) for r in before[-100:]) else None,
        forecast=forecast(series_of(list(past)), here.usable) if here.usable is not None else None,
        drawn=tuple((r.at, None if r.used is None else float(r.used)) for r in before[-DRAWN_SAMPLES:]),
        leaking=leaking,
        replayed=f"{when} · {position + 1} of {len(rounds)} · {width}{', close up' if close_up else ''}",
    )


def _sessions(holders: Sequence[HolderCount]) -> tuple[Session, ...]:
    """One line a slot, as far as counts tell; the pid is a running number below zero."""
    found: list[Session] = []
    for holder in holders:
        name = holder.role if holder.role != "unknown" else holder.process or _OWNERS.get(holder.owner, "not visible")
        label = name if holder.pid is None else f"{name} {holder.pid}"
        role = name if holder.owner == "known" else _OWNERS.get(holder.owner, name)
        for _ in range(holder.count):
            found.append(
                Session(
                    pid=-1 - len(found),
                    started=None,
                    database=holder.database,
                    user=holder.user,
                    application=holder.application,
                    client=None,
                    state=holder.state,
                    wait=None,
                    transaction_seconds=None,
                    state_seconds=None,
                    statement=None,
                    holder=label,
                    role=role,
                    how="as it was recorded",
                )
            )
    return tuple(found)


def _pool(p: PoolCount) -> PoolLine:
    counts = (p.cl_active, p.cl_waiting, p.sv_active, p.sv_idle + p.sv_other, p.maxwait_seconds)
    return PoolLine(p.address, p.database, p.user, None, *counts)


def _is_judged(round_: Round, at: float) -> bool:
    return at - round_.at <= _JUDGED_SECONDS and (round_.judged is True or bool(round_.findings))


def _findings(before: Sequence[Round]) -> tuple[FindingSeen, ...]:
    """Those of the newest round that was judged: not every look is."""
    at = before[-1].at
    return next((r.findings for r in reversed(before[-100:]) if _is_judged(r, at)), ())


def _said(seen: FindingSeen) -> Said:
    subject = f" ({seen.subject})" if seen.subject else ""
    return Said(seen.id, _SEVERITIES.get(seen.severity, 0), seen.subject, f"{seen.slug}{subject}", None)
