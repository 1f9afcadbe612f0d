"""Tells OCA queue_job's runner from an HTTP worker: both are children of the master that keep its HTTP socket."""

from __future__ import annotations

import re

from msgspec import structs

from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Activity
from slotwise.snapshot.processes import Processes
from slotwise.snapshot.sessions import sessions

_RUNNERS_SESSION = re.compile(r'(?i)\blisten\s+"?queue_job\b|"select_jobs"|\bselect channel, uuid, id as seq\b')
"""What the runner's sessions run: LISTEN, its cursor with hold, the query behind it (queue_job/jobrunner/runner.py)."""


def with_job_runners(snapshot: Snapshot) -> Snapshot:
    """The snapshot with the runner's process called ``queue_job``, found by what its sessions last ran.

    A runner that is a thread of the master or of a threaded server stays what its process is.
    """
    if not isinstance(snapshot.activity, Activity) or not isinstance(snapshot.processes, Processes):
        return snapshot
    if not any(b.query and _RUNNERS_SESSION.search(b.query) for b in snapshot.activity.backends):
        # Whose sessions they are is costly to tell, and only matters for those that are a runner's.
        return snapshot
    seen = sessions(snapshot)
    if not isinstance(seen, Sessions):
        return snapshot
    runners = {
        h.owner.pid
        for h in seen.held
        if h.owner.certainty == "known" and h.backend.query and _RUNNERS_SESSION.search(h.backend.query)
    }
    if not runners:
        return snapshot
    changed = tuple(
        structs.replace(p, role="queue_job", evidence="its session listens for queue_job")
        if p.pid in runners and p.role in ("http_worker", "cron_worker", "unknown")
        else p
        for p in snapshot.processes.processes
    )
    return structs.replace(snapshot, processes=structs.replace(snapshot.processes, processes=changed))
