"""LISTEN on the application database: how OCA queue_job's runner hears of new jobs."""

from __future__ import annotations

from slotwise.collectors.path_under_test import Path, unusual
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="queue-job-listen",
    needed_by="queue_job",
    fine="queue_job's runner hears of new jobs",
    loss="queue_job's runner does not hear of new jobs: they stay pending. Set jobrunner_db_host and jobrunner_db_port"
    " to the server itself, and verify that with --queue-job-dsn",
    harmless="notifications on the application database do not arrive; Odoo itself listens on `postgres` only, and"
    " queue_job is not installed here (an addon that listens: slotwise scan, SW701)",
)

ROUNDS = 2
PATIENCE_SECONDS = 3.0


def probe(path: Path) -> Observation:
    """``LISTEN`` in autocommit mode on the application database (queue_job/jobrunner/runner.py), and NOTIFY from a
    transaction of another client, as the trigger on table queue_job does."""
    channel = unusual("queue_job")
    arrived = 0
    with path.runner.client() as runner, path.client() as worker:
        runner.run(f"LISTEN {channel}")
        for number in range(ROUNDS):
            worker.run("BEGIN")
            worker.run(f"SELECT pg_notify('{channel}', '{number}')")
            worker.run("COMMIT")
            if runner.notified(min(PATIENCE_SECONDS, path.allowance.left())) != (channel, str(number)):
                break
            arrived += 1
    return Observation(arrived == ROUNDS, (Seen("notifications sent", ROUNDS), Seen("notifications arrived", arrived)))
