"""What a recorded history proves of an installation: what its processes held, and how busy its pooler was. Pure.

A history sees what one look cannot: the worker that held two connections yesterday at ten. So a long one may lower the
model's figures as well as raise them, which one look may not (slotwise.capacity.calibration).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

from slotwise.capacity.deployment import HeldByProcess
from slotwise.capacity.pooling import Workload
from slotwise.snapshot.round import HolderCount, Round
from slotwise.snapshot.session_kinds import NEVER_POOLED

ENOUGH_LOOKS = 100
"""Rows in which a role held connections that are needed before their highest figure says anything of it."""
LONG_SECONDS = 7 * 86_400.0
"""A history of a whole week has seen the busy days too: from then on it may lower the model."""
LEAST_KNOWN_RATIO = 0.9
USUAL_PEAK_RATIO = 0.95
"""The figure that 95 of 100 looks do not exceed: a leak of one night is no demand to plan for."""
ENOUGH_TRANSACTIONS = 1_000
_BUSY_WINDOW_SECONDS = 300.0
_LONGEST_GAP_SECONDS = 7_200.0


class Recorded(Struct, frozen=True):
    """The measured figures of a history. ``long``: long and whole enough to lower the model's figures.

    ``held`` or ``workload`` is None where the history does not say.
    """

    held: HeldByProcess | None
    workload: Workload | None
    long: bool
    source: str


def recorded(rounds: Sequence[Round], name: str) -> Recorded:
    """What ``rounds`` (by time; sums and single looks may be mixed) show. ``name`` is the history's, for people."""
    looks = sum(r.looks for r in rounds)
    known = sum((r.looks if r.looks_known is None else r.looks_known) for r in rounds if r.used is not None)
    span = (rounds[-1].at + rounds[-1].seconds - rounds[0].at) if rounds else 0.0
    source = f"{name}: {known} looks in {_words(span)}"
    return Recorded(
        held=_held(rounds, source),
        workload=_workload(rounds, source),
        long=span >= LONG_SECONDS and known >= LEAST_KNOWN_RATIO * looks,
        source=source,
    )


def _held(rounds: Sequence[Round], source: str) -> HeldByProcess | None:
    http = _usual_peak(rounds, "http_worker", _per_database)
    cron = _usual_peak(rounds, "cron_worker", _in_all)
    gevent = _usual_peak(rounds, "gevent", _in_all)
    if http is None and cron is None and gevent is None:
        return None
    return HeldByProcess(http_per_database=http, cron_per_process=cron, gevent_per_process=gevent, source=source)


def _usual_peak(rounds: Sequence[Round], role: str, figure: Callable[[Sequence[HolderCount]], float]) -> float | None:
    """The highest figure of one process of ``role`` in a look, as it usually is; None where too few looks saw any."""
    peaks = sorted(max(figure(held) for held in processes) for r in rounds if (processes := list(_processes(r, role))))
    if len(peaks) < ENOUGH_LOOKS:
        return None
    return peaks[math.ceil(USUAL_PEAK_RATIO * len(peaks)) - 1]


def _processes(round_: Round, role: str) -> Iterator[list[HolderCount]]:
    """What each process of ``role`` held through its odoo_pool. A session without application_name is an addon's own
    (psycopg2.connect past odoo/sql_db.py, which names every connection), which the model counts by itself."""
    by_pid: dict[int, list[HolderCount]] = defaultdict(list)
    for held in round_.holders:
        pooled = held.database not in NEVER_POOLED and held.application != ""
        if held.role == role and held.owner == "known" and held.pid is not None and pooled:
            by_pid[held.pid].append(held)
    yield from by_pid.values()


def _in_all(held: Sequence[HolderCount]) -> float:
    return float(sum(one.count for one in held))


def _per_database(held: Sequence[HolderCount]) -> float:
    return _in_all(held) / len({one.database for one in held})


def _workload(rounds: Sequence[Round], source: str) -> Workload | None:
    """Mean transaction over the whole history, and the rate of its busiest five minutes, from PgBouncer's totals."""
    counts: dict[int, int] = defaultdict(int)
    spans: dict[int, float] = defaultdict(float)
    seconds = 0.0
    for before, after in pairwise(r for r in rounds if r.pooled_transactions is not None):
        passed = after.at - before.at
        done = (after.pooled_transactions or 0) - (before.pooled_transactions or 0)
        took = (after.pooled_transaction_seconds or 0.0) - (before.pooled_transaction_seconds or 0.0)
        # A PgBouncer that was restarted counts from nothing again; over a gap the rate would be an average of both.
        if done < 0 or took < 0 or not 0 < passed <= _LONGEST_GAP_SECONDS:
            continue
        window = int(before.at // _BUSY_WINDOW_SECONDS)
        counts[window] += done
        spans[window] += passed
        seconds += took
    total = sum(counts.values())
    if total < ENOUGH_TRANSACTIONS or seconds <= 0:
        return None
    whole = {w: counts[w] / spans[w] for w in counts if spans[w] >= _BUSY_WINDOW_SECONDS / 2}
    rate = max(whole.values(), default=total / sum(spans.values()))
    return Workload(transactions_per_second=rate, transaction_seconds=seconds / total, source=source)


def _words(seconds: float) -> str:
    return f"{seconds / 86_400:.1f} days" if seconds >= 2 * 86_400 else f"{seconds / 3600:.1f} hours"
