"""What leaks, in one sentence, with the local time at which the last slot goes."""

from __future__ import annotations

from datetime import datetime

from slotwise.forecast.lives import Leaking
from slotwise.formats.terminal import duration

_NEAR_SECONDS = 12 * 3600.0


def grows(one: Leaking, now: float) -> str:
    """``http_worker 4121 grows by 1.2 connections/h; at this rate the last slot goes at 16:40``. ``now`` is when the
    newest look was, epoch seconds: a day other than today is named."""
    words = f"{one.name} grows by {one.per_hour:.1f} connections/h"
    if one.last_slot_at is None:
        return words
    return f"{words}; at this rate the last slot goes at {moment(one.last_slot_at, now)}"


def moment(at: float, now: float) -> str:
    """The local time of day; with the day of the week where it is half a day away or more."""
    when = datetime.fromtimestamp(at)
    return f"{when:%H:%M}" if at - now < _NEAR_SECONDS else f"{when:%a %H:%M}"


def why(one: Leaking, now: float) -> str:
    """What it rests on, in words."""
    growth = one.growth
    known = growth.low_per_hour is not None and growth.high_per_hour is not None
    interval = f", {growth.low_per_hour:.1f} to {growth.high_per_hour:.1f} an hour" if known else ""
    since = f", since {duration(now - growth.since)} ago" if growth.since is not None else ""
    return f"it holds {one.count}; {growth.reason}{interval}{since}"


REMEDY = "find what it keeps open: slotwise scan; to win time restart that process, which ends its sessions"
