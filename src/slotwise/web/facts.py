"""What the page shows, as plain values: now, the last hours, who grows, what to do. No statement, no address."""

from __future__ import annotations

from collections import Counter
from typing import Any

from slotwise.findings import Verdict
from slotwise.forecast.lives import Leaking
from slotwise.history.store import HistoryUnavailable
from slotwise.snapshot.round import Round
from slotwise.web.board import Board

MOST_HOLDERS = 20
MOST_POINTS = 720


def now(board: Board) -> dict[str, Any]:
    """The newest look. ``state``: *watching*, *blind* (a look that could not count), or *stale*."""
    seen = board.seen
    if seen is None:
        return {"state": "stale", "age_seconds": board.age_seconds, "reason": "no look has been completed lately"}
    round_, forecast = seen.observation.round, seen.forecast
    return {
        "state": "watching" if round_.used is not None else "blind",
        "reason": round_.gap,
        "at": round_.at,
        "age_seconds": board.age_seconds,
        "interval_seconds": board.interval_seconds,
        "host": seen.observation.snapshot.host,
        "used": round_.used,
        "usable": round_.usable,
        "reserved": round_.reserved,
        "max_connections": round_.max_connections,
        "states": dict(_by_state(round_)),
        "holders": _holders(round_, _an_hour_ago(board, round_)),
        "pools": [
            {
                "database": p.database,
                "user": p.user,
                "clients": p.cl_active,
                "waiting": p.cl_waiting,
                "servers": p.sv_active + p.sv_idle + p.sv_other,
                "maxwait_seconds": p.maxwait_seconds,
            }
            for p in sorted(round_.pools, key=lambda p: -p.maxwait_seconds)[:MOST_HOLDERS]
        ],
        "forecast": None
        if forecast is None
        else {
            "trend": forecast.trend,
            "certainty": forecast.certainty,
            "reason": forecast.reason,
            "eta_seconds": forecast.eta_seconds,
            "slope_per_hour": forecast.slope_per_hour,
        },
        "leaking": None if seen.leaking is None else [_leak(one) for one in seen.leaking],
        "findings": _findings(seen.observation.verdicts),
        "judged_at": seen.observation.judged_at,
        "judged_used": seen.observation.judged_used,
        "unknown": sum(1 for v in seen.observation.verdicts if v.state == "unknown"),
    }


def history(board: Board, until: float, hours: float) -> dict[str, Any]:
    """Series of the last ``hours``; None is a gap, also where no round was kept for longer than three intervals."""
    try:
        rounds = board.store.best(until - hours * 3600, until + 1, most=MOST_POINTS * 4)
    except HistoryUnavailable as trouble:
        return {"trouble": str(trouble), "at": [], "used": [], "usable": []}
    thinned = _thinned(rounds)
    at: list[float] = []
    used: list[int | None] = []
    usable: list[int | None] = []
    usual = max(board.interval_seconds, hours * 3600 / MOST_POINTS)
    for round_ in thinned:
        if at and round_.at - at[-1] > 3 * max(usual, round_.seconds):
            at.append(at[-1] + usual)
            used.append(None)
            usable.append(None)
        at.append(round_.at)
        used.append(round_.used)
        usable.append(round_.usable)
    return {"trouble": None, "at": at, "used": used, "usable": usable}


def _thinned(rounds: list[Round]) -> list[Round]:
    """At most MOST_POINTS of them; of each stretch the peak, or its gap where it holds one."""
    width = -(-len(rounds) // MOST_POINTS) or 1
    stretches = (rounds[n : n + width] for n in range(0, len(rounds), width))
    return [max(s, key=lambda r: (r.used is None, r.used or 0)) for s in stretches]


def _by_state(round_: Round) -> Counter[str]:
    counts: Counter[str] = Counter()
    for holder in round_.holders:
        counts[holder.state] += holder.count
    return counts


def _by_process(round_: Round) -> Counter[tuple[str, int | None, str | None]]:
    counts: Counter[tuple[str, int | None, str | None]] = Counter()
    for holder in round_.holders:
        name = holder.role if holder.role != "unknown" else holder.process or f"{holder.owner} client"
        counts[name, holder.pid, holder.database] += holder.count
    return counts


def _an_hour_ago(board: Board, round_: Round) -> Round | None:
    try:
        rounds = board.store.rounds(round_.at - 3600, round_.at - 3000)
    except HistoryUnavailable:
        return None
    return next((r for r in rounds if r.used is not None), None)


def _holders(round_: Round, before: Round | None) -> list[dict[str, Any]]:
    """The largest holders; ``grown`` since an hour ago is None where that is not known (no history, a new process)."""
    then = _by_process(before) if before is not None else Counter()
    known = {pid for _, pid, _ in then}
    return [
        {
            "role": role,
            "pid": pid,
            "database": database,
            "count": count,
            "grown": count - then[role, pid, database] if pid is not None and pid in known else None,
        }
        for (role, pid, database), count in _by_process(round_).most_common(MOST_HOLDERS)
    ]


def _leak(one: Leaking) -> dict[str, Any]:
    return {
        "name": one.name,
        "count": one.count,
        "per_hour": one.per_hour,
        "low_per_hour": one.growth.low_per_hour,
        "high_per_hour": one.growth.high_per_hour,
        "reason": one.growth.reason,
        "since": one.growth.since,
        "last_slot_at": one.last_slot_at,
    }


def _findings(verdicts: tuple[Verdict, ...]) -> list[dict[str, Any]]:
    found = [
        {
            "id": v.id,
            "slug": v.slug,
            "severity": (f.severity or v.severity).word,
            "weight": int(f.severity or v.severity),
            "subject": f.subject,
            "message": f.message,
            "fix": f.fix.summary if f.fix else None,
        }
        for v in verdicts
        for f in v.findings
    ]
    return sorted(found, key=lambda f: (-int(str(f["weight"])), str(f["id"])))
