"""The story: refusals on one time line, cut into incidents with start, peak, end, victims and probable cause."""

from __future__ import annotations

from collections import Counter

import msgspec

from slotwise.walls.clocks import ClockOffset
from slotwise.walls.events import LogEvent
from slotwise.walls.kinds import Role, Wall
from slotwise.walls.reasoning import Evidence, Reasoned, probable_cause
from slotwise.walls.tally import Cell, Tally

GAP_SECONDS = 120.0
"""Refusals further apart than this belong to different incidents."""
BEFORE_SECONDS = 600.0
"""What is told this long before an incident may explain it."""
JOBS_SECONDS = 5.0
"""Scheduled actions that begin so shortly before the first refusal still run when it comes."""
PEAK_SECONDS = 10
_AWAY = frozenset(
    {
        *("pg_starting", "pg_recovery", "pg_shutdown", "pg_crash", "connection_refused", "pgb_shutdown"),
        "server_connection_lost",
    }
)
"""Kinds that are no wall, and yet take the service away."""
_TOLD_BEFORE = 40


class Victim(msgspec.Struct, frozen=True):
    """Who was refused first: each value None where no log tells it."""

    seconds: float
    layer: str
    database: str | None
    user: str | None
    pid: int | None
    process: str | None
    text: str


class Incident(msgspec.Struct, frozen=True):
    """One run of refusals."""

    start_seconds: float
    peak_seconds: float
    end_seconds: float
    wall: Wall
    """The wall that was met, as the layer nearest to it tells; ``network`` or ``other_not_connection``: an outage."""
    refused: int
    """Refusals, as counted by the layer that refused."""
    walls: dict[str, int]
    by_database: dict[str, int]
    by_user: dict[str, int]
    by_process: dict[str, int]
    first_victim: Victim
    reasoned: Reasoned
    users_saw: tuple[str, ...]
    before: tuple[LogEvent, ...]
    series: tuple[tuple[float, str, int], ...]
    """(seconds, wall, refusals) for a plot."""


class _Shifted(msgspec.Struct, frozen=True):
    """A cell on the common time line."""

    cell: Cell
    first: float
    last: float

    @property
    def event(self) -> LogEvent:
        return self.cell.first


def find_incidents(tally: Tally, offsets: tuple[ClockOffset, ...] = ()) -> tuple[Incident, ...]:
    """All incidents in order of time. ``offsets`` put the layers on one time line first."""
    shift = {offset.layer: offset.seconds or 0.0 for offset in offsets}
    cells = sorted(
        (_shifted(cell, shift.get(cell.first.layer, 0.0)) for cell in tally.cells.values()),
        key=lambda shifted: shifted.first,
    )
    runs: list[list[_Shifted]] = []
    end = 0.0
    for shifted in cells:
        if not _forms(shifted.event):
            continue
        if not runs or shifted.first - end > GAP_SECONDS:
            runs.append([])
            end = shifted.last
        runs[-1].append(shifted)
        end = max(end, shifted.last)
    return tuple(_incident(run, cells, shift) for run in runs)


def _shifted(cell: Cell, seconds: float) -> _Shifted:
    return _Shifted(cell, cell.first_seconds - seconds, cell.last_seconds - seconds)


def _forms(event: LogEvent) -> bool:
    if event.wall.refuses:
        return event.role in (Role.REFUSAL, Role.CAUSE)
    return event.kind in _AWAY


def _incident(run: list[_Shifted], cells: list[_Shifted], shift: dict[str, float]) -> Incident:
    start, end = run[0].first, max(shifted.last for shifted in run)
    during = [shifted for shifted in cells if start <= shifted.last and shifted.first <= end]
    before = [shifted for shifted in cells if start - BEFORE_SECONDS <= shifted.first < start]
    walls = _walls(run)
    wall = _main_wall(walls, run)
    counted = _telling(run, wall)
    evidence = Evidence(
        walls=walls,
        kinds=_kinds(during),
        before=_kinds(before),
        databases=len({shifted.event.database for shifted in counted if shifted.event.database}),
        pool_max=_pool_max(before + during),
        gevent=_only_gevent(run),
        jobs_just_begun=_jobs_begun(cells, start),
    )
    return Incident(
        start_seconds=start,
        peak_seconds=_peak(counted),
        end_seconds=end,
        wall=wall,
        refused=sum(shifted.cell.count for shifted in counted),
        walls=_sum_walls(walls),
        by_database=_by(counted, lambda event: event.database),
        by_user=_by(counted, lambda event: event.user),
        by_process=_by(run, lambda event: event.process),
        first_victim=_victim(run, start),
        reasoned=probable_cause(evidence),
        users_saw=_users_saw(during, wall),
        before=_told(before, shift),
        series=_series(run),
    )


def _walls(run: list[_Shifted]) -> dict[tuple[str, str], int]:
    """Refusals by layer and wall; PgBouncer's second line counts only where its first was switched off."""
    plain: Counter[tuple[str, str]] = Counter()
    echoes: Counter[tuple[str, str]] = Counter()
    for shifted in run:
        event = shifted.event
        key = (event.layer, event.wall.value)
        (echoes if event.echo else plain)[key] += shifted.cell.count
    for key, count in echoes.items():
        plain[key] = max(plain[key], count)
    return dict(plain)


def _sum_walls(walls: dict[tuple[str, str], int]) -> dict[str, int]:
    """One number a wall: the layer that tells most, because the others repeat it."""
    highest: dict[str, int] = {}
    for (_, wall), count in walls.items():
        highest[wall] = max(highest.get(wall, 0), count)
    return highest


def _main_wall(walls: dict[tuple[str, str], int], run: list[_Shifted]) -> Wall:
    counts = {name: count for name, count in _sum_walls(walls).items() if Wall(name).refuses}
    if not counts:
        return run[0].event.wall
    # A wall of the server explains the waits of the pooler before it, however many they are.
    server = {name: count for name, count in counts.items() if name.startswith("pg_")}
    pooled = {name: count for name, count in counts.items() if name in ("pgb_query_wait", "pgb_server_login")}
    if server and pooled and sum(counts.values()) == sum(server.values()) + sum(pooled.values()):
        counts = server
    return Wall(max(counts, key=lambda name: (counts[name], name)))


def _telling(run: list[_Shifted], wall: Wall) -> list[_Shifted]:
    """The cells of the layer that counts best: PostgreSQL for its walls, the pooler and Odoo for theirs."""
    mine = [shifted for shifted in run if shifted.event.wall is wall]
    by_layer: Counter[str] = Counter()
    for shifted in mine:
        if not shifted.event.echo:
            by_layer[shifted.event.layer] += shifted.cell.count
    if not by_layer:
        return mine
    layer = max(by_layer, key=lambda name: by_layer[name])
    return [shifted for shifted in mine if shifted.event.layer == layer and not shifted.event.echo]


def _kinds(cells: list[_Shifted]) -> dict[str, int]:
    kinds: Counter[str] = Counter()
    for shifted in cells:
        kinds[shifted.event.kind] += shifted.cell.count
    return dict(kinds)


def _pool_max(cells: list[_Shifted]) -> int | None:
    sizes = [shifted.event.name for shifted in cells if shifted.event.kind == "odoo_pool_at_limit"]
    return min((int(size) for size in sizes if size and size.isdigit()), default=None)


def _jobs_begun(cells: list[_Shifted], start: float) -> int:
    recent = (shifted for shifted in cells if start - JOBS_SECONDS <= shifted.first <= start)
    return sum(shifted.cell.count for shifted in recent if shifted.event.kind == "cron_started")


def _only_gevent(run: list[_Shifted]) -> bool:
    processes = {shifted.event.process for shifted in run if shifted.event.wall is Wall.ODOO_POOL}
    return processes == {"gevent_worker"}


def _by(cells: list[_Shifted], of: object) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for shifted in cells:
        name = of(shifted.event)  # type: ignore[operator]
        if name:
            counts[name] += shifted.cell.count
    return dict(counts.most_common(20))


def _peak(counted: list[_Shifted]) -> float:
    """Middle of the ten seconds with most refusals."""
    loads: Counter[int] = Counter()
    for shifted in counted:
        loads[int(shifted.first // PEAK_SECONDS)] += shifted.cell.count
    busiest = max(loads, key=lambda at: (loads[at], -at))
    inside = [shifted.first for shifted in counted if int(shifted.first // PEAK_SECONDS) == busiest]
    return inside[len(inside) // 2]


def _victim(run: list[_Shifted], start: float) -> Victim:
    """The first refusal; what its own line does not tell is taken from another layer's line of the same two seconds."""
    refused = [shifted for shifted in run if shifted.event.refused] or run
    first = refused[0]
    near = [shifted.event for shifted in refused if shifted.first - first.first <= 2.0]
    odoo = next((event for event in near if event.layer == "odoo"), None)
    known = [event for event in (first.event, *near) if event is not None]
    return Victim(
        seconds=first.first,
        layer=first.event.layer,
        database=next((event.database for event in known if event.database), None),
        user=next((event.user for event in known if event.user), None),
        pid=odoo.pid if odoo and odoo.pid else first.event.pid,
        process=next((event.process for event in known if event.process), None),
        text=first.event.text,
    )


def _users_saw(during: list[_Shifted], wall: Wall) -> tuple[str, ...]:
    """What Odoo 17-19 showed (odoo/http.py, addons/bus/websocket.py): a full server and a full pool look different."""
    kinds = _kinds(during)
    layers = {shifted.event.layer for shifted in during}
    saw = []
    if kinds.get("odoo_registry_unusable") or any(shifted.event.logged_out for shifted in during):
        saw.append("users were logged out (Odoo 18 and 19 do that when the database cannot be opened)")
    if kinds.get("odoo_pool_full"):
        saw.append("users read an internal server error (500) and stayed logged in")
    if kinds.get("gevent_retries"):
        saw.append("live chat and notifications were cut off and tried again")
    if kinds.get("pgb_query_wait_timeout"):
        saw.append("pages hung until query_wait_timeout, then failed")
    if wall in (Wall.FD_LIMIT,):
        saw.append("pages hung: new connections were not answered at all")
    if not saw and "odoo" not in layers:
        saw.append("not known: no line of Odoo's log lies in this time")
    if not saw and wall.value.startswith("pg_"):
        saw.append("Odoo 17 served pages without a database (500 on /web); 18 and 19 log users out")
    return tuple(saw)


def _told(before: list[_Shifted], shift: dict[str, float]) -> tuple[LogEvent, ...]:
    events = [
        msgspec.structs.replace(shifted.event, seconds=shifted.first)
        for shifted in before
        if shifted.event.role in (Role.CONTEXT, Role.CAUSE, Role.PRECURSOR)
    ]
    return tuple(events[-_TOLD_BEFORE:])


def _series(run: list[_Shifted]) -> tuple[tuple[float, str, int], ...]:
    return tuple(
        (shifted.first, shifted.event.wall.value, shifted.cell.count) for shifted in run if not shifted.event.echo
    )
