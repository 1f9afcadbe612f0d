"""Takes measured connections per process and transaction times in place of the model's own figures.

One look proves little: a worker that happens to hold one connection now may hold two tomorrow. So a measurement raises
the model by itself, and lowers it only when the operator asks for it; either way both figures are shown.
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from slotwise.capacity import holdings
from slotwise.capacity.deployment import HeldByProcess, OdooHost
from slotwise.capacity.plan import Calibration
from slotwise.capacity.pooling import ASSUMED_TRANSACTION_SECONDS, Workload
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.ownership import Held
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.processes import Processes
from slotwise.snapshot.session_kinds import NEVER_POOLED
from slotwise.snapshot.sessions import sessions

ENOUGH_TRANSACTIONS = 1_000
"""Transactions that PgBouncer must have counted before their mean length says anything."""


def measured_by_process(snapshot: Snapshot, instance: str) -> HeldByProcess | None:
    """What the processes of one instance hold; None when they cannot be told apart or have not all worked yet.

    HTTP workers: the most connections per database that one of them holds. Cron and gevent: the most that one process
    holds on its databases. A process that holds nothing yet makes its role unmeasured, not zero.
    """
    seen = sessions(snapshot)
    if isinstance(seen, Unavailable) or not isinstance(snapshot.processes, Processes):
        return None
    mine = [one for one in seen.held if one.owner.instance == instance and one.owner.certainty == "known"]
    by_process: dict[int, list[Held]] = {}
    for one in mine:
        raw = one.backend.application_name == ""  # an addon's own connection, which the model counts by itself
        if one.backend.database not in NEVER_POOLED and one.owner.pid is not None and not raw:
            by_process.setdefault(one.owner.pid, []).append(one)
    processes = [one for one in snapshot.processes.processes if one.instance == instance]

    def held_by(role: str) -> list[list[Held]] | None:
        each = [by_process.get(one.pid, []) for one in processes if one.role == role]
        return each if each and all(each) else None

    http, cron, gevent = held_by("http_worker"), held_by("cron_worker"), held_by("gevent")
    if http is None and cron is None and gevent is None:
        return None
    return HeldByProcess(
        http_per_database=None if http is None else max(_per_database(held) for held in http),
        cron_per_process=None if cron is None else float(max(len(held) for held in cron)),
        gevent_per_process=None if gevent is None else float(max(len(held) for held in gevent)),
        source=f"measured on {snapshot.host}",
    )


def _per_database(held: list[Held]) -> float:
    return len(held) / len({one.backend.database for one in held})


def calibrate(host: OdooHost, measured: HeldByProcess, lower: bool) -> tuple[OdooHost, tuple[Calibration, ...]]:
    """The host with measured figures where they are above the model's (``lower``: or below), and all of them shown."""
    own = {role.role: role.holding.databases.typical for role in holdings.prefork(host)}
    seen = host.databases_seen
    rows = (
        ("http_per_database", "HTTP worker, per database", own["http_worker"] / seen if seen else 0.0),
        ("cron_per_process", "cron worker, on its databases", float(own["cron_worker"])),
        ("gevent_per_process", "gevent, on its databases", float(own["gevent"])),
    )
    found: list[Calibration] = []
    taken: dict[str, float] = {}
    for attribute, words, model in rows:
        value = getattr(measured, attribute)
        if value is None:
            continue
        take = value > model or (lower and value < model)
        if take:
            taken[attribute] = value
        found.append(Calibration(f"{host.name}: {words}", model, value, "connections", measured.source, take))
    if not taken:
        return host, tuple(found)
    return replace(host, measured=HeldByProcess(**taken, source=measured.source)), tuple(found)


def measured_workload(snapshot: Snapshot) -> tuple[Workload | None, tuple[Calibration, ...]]:
    """Mean transaction length as PgBouncer counted it since it started; None without enough transactions."""
    if not isinstance(snapshot.pgbouncers, PgBouncers):
        return None, ()
    count = sum(one.total_xact_count or 0 for one in snapshot.pgbouncers.pgbouncers)
    seconds = math.fsum(one.total_xact_time_seconds or 0.0 for one in snapshot.pgbouncers.pgbouncers)
    if count < ENOUGH_TRANSACTIONS or seconds <= 0:
        return None, ()
    mean = seconds / count
    source = f"PgBouncer SHOW STATS, {count} transactions"
    row = Calibration("mean transaction", ASSUMED_TRANSACTION_SECONDS, mean, "seconds", source, True)
    return Workload(transaction_seconds=mean, source=source), (row,)
