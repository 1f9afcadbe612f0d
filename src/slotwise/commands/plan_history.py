"""Calibrates a plan by the history that ``slotwise record`` keeps."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from slotwise.capacity.calibration import calibrate
from slotwise.capacity.plan import Calibration
from slotwise.capacity.planner import Terms
from slotwise.capacity.pooling import ASSUMED_BUSY_WORKER_SHARE, ASSUMED_TRANSACTION_SECONDS
from slotwise.capacity.recorded import ENOUGH_LOOKS, recorded
from slotwise.commands.plan_subject import Subject
from slotwise.errors import OperatorError
from slotwise.history.reading import Reader

PERIOD_SECONDS = 28 * 86_400.0
"""The last four weeks: whole weeks, and recent enough to be of the installation as it is."""
_MOST_ROUNDS = 20_000


def with_history(subject: Subject, path: Path, lower: bool) -> Subject:
    """``subject`` with what the history at ``path`` proves in place of the model's figures, and both shown.

    Raises OperatorError where the history cannot be read, says nothing, or belongs to one of several instances: a
    recorded process does not say whose it is.
    """
    if len(subject.deployment.hosts) != 1:
        count = len(subject.deployment.hosts)
        raise OperatorError(
            f"--history with {count} Odoo instances: a recorded process does not say which one it belongs to",
            "plan one instance at a time (--config FILE, or its options)",
        )
    reader = Reader(path)
    try:
        newest = reader.newest()
        rounds = [] if newest is None else reader.best(newest.at - PERIOD_SECONDS, newest.at + 1, _MOST_ROUNDS)
    finally:
        reader.close()
    seen = recorded(rounds, f"history {path.name}")
    if seen.held is None and seen.workload is None:
        raise OperatorError(
            f"{seen.source}: too little to calibrate with, fewer than {ENOUGH_LOOKS} of them saw Odoo's connections",
            "let `slotwise record` run for longer on the Odoo host, or plan without --history",
        )
    (host,) = subject.deployment.hosts
    shown: list[Calibration] = []
    if seen.held is not None and host.workers:
        host, rows = calibrate(replace(host, measured=None), seen.held, lower or seen.long)
        shown.extend(rows)
    terms = subject.terms
    if seen.workload is not None:
        terms = replace(terms, workload=seen.workload)
        shown.extend(_times(terms, host.workers * host.count))
    replaced = {row.what for row in shown}
    kept = tuple(row for row in subject.calibrations if row.what not in replaced)
    return replace(
        subject,
        deployment=replace(subject.deployment, hosts=(host,)),
        terms=terms,
        calibrations=(*kept, *shown),
    )


def _times(terms: Terms, workers: int) -> tuple[Calibration, ...]:
    load = terms.workload
    rate, seconds = load.transactions_per_second or 0.0, load.service_seconds
    assumed = workers * ASSUMED_BUSY_WORKER_SHARE / seconds
    return (
        Calibration("mean transaction", ASSUMED_TRANSACTION_SECONDS, seconds, "seconds", load.source, True),
        Calibration("transactions per second, busiest 5 minutes", assumed, rate, "per second", load.source, True),
    )
