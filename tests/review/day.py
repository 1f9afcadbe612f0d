"""A day as ``record`` would have kept it: a working day, a wall at 14:10, a blind look, a pause, a change at 18:00."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from pathlib import Path

from slotwise.history.store import Store
from slotwise.snapshot.round import Configured, FindingSeen, HolderCount, PoolCount, Round

BEGIN = datetime(2026, 11, 23, tzinfo=timezone.utc).timestamp()
HOUR = 3600.0
EVERY = 180.0
WALL = (BEGIN + 14 * HOUR + 600, BEGIN + 14 * HOUR + 1500)
"""The slots are gone from 14:10 to 14:25."""
BLIND = (BEGIN + 10 * HOUR, BEGIN + 10 * HOUR + 600)
PAUSE = (BEGIN + 4 * HOUR, BEGIN + 5 * HOUR)
CHANGE = BEGIN + 18 * HOUR
STUCK = FindingSeen("SW203", "stuck-idle-in-transaction", "warning", "http_worker 4121")
FULL = FindingSeen("SW201", "slots-saturated", "critical")
HOSTILE = '<img src=x onerror=alert(1)>"'


def rounds() -> list[Round]:
    """Every round of the day, without those of the pause."""
    found = []
    at = BEGIN
    while at < BEGIN + 24 * HOUR:
        if not PAUSE[0] <= at < PAUSE[1]:
            found.append(_round(at))
        at += EVERY
    return found


def kept(path: Path) -> Path:
    """A history file with the day in it."""
    store = Store(path)
    for round_ in rounds():
        store.append(round_)
    store.configure(Configured(BEGIN, {"max_connections": "100", "odoo: workers": "8"}))
    store.configure(Configured(CHANGE, {"max_connections": "150", "odoo: workers": "8"}))
    store.close()
    return path


def _round(at: float) -> Round:
    hour = (at - BEGIN) / HOUR
    busy = max(0.0, math.sin((hour - 7) / 12 * math.pi)) if 7 <= hour <= 19 else 0.0
    usable, maximum = (147, 150) if at >= CHANGE else (97, 100)
    started = CHANGE - 60 if at >= CHANGE else BEGIN - 86400
    if BLIND[0] <= at < BLIND[1]:
        return Round(at=at, gap="pg_stat_activity: connection refused", server_started_at=started, judged=False)
    wall = WALL[0] <= at < WALL[1]
    leak = 43 if wall else 0
    holders = (
        HolderCount("http_worker", 4121, "odoo-bin", "prod", "odoo", "odoo", "idle", 4 + round(20 * busy), "known"),
        HolderCount("http_worker", 4122, "odoo-bin", "prod", "odoo", "odoo", "idle in transaction", leak, "known"),
        HolderCount("cron_worker", 4130, "odoo-bin", "prod", "odoo", "odoo", "idle", 3, "known"),
        HolderCount("gevent", 4140, "odoo-bin", "prod", "odoo", "odoo", "idle", 2 + round(15 * busy), "known"),
        HolderCount("unknown", None, "metabase", HOSTILE, "bi", "metabase", "active", 5 + round(6 * busy), "foreign"),
    )
    held = tuple(h for h in holders if h.count)
    findings = (*((FULL,) if wall else ()), *((STUCK,) if 13.5 <= hour < 15 else ()))
    return Round(
        at=at,
        used=sum(h.count for h in held),
        usable=usable,
        reserved=3,
        max_connections=maximum,
        holders=held,
        pools=(PoolCount("127.0.0.1:6432", "prod", "odoo", 9, 4 if wall else 0, 5, 1, 0, 7.5 if wall else 0.0),),
        walls={"pg_reserved": 12} if at >= WALL[0] else {},
        findings=findings,
        server_started_at=started,
        judged=True,
        unjudged=("SW215",),
    )
