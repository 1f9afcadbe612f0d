"""Session-level advisory locks: whether one client's lock keeps another one out, and stays with it."""

from __future__ import annotations

import secrets

from slotwise.collectors.path_client import PathClient
from slotwise.collectors.path_under_test import Path
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="session-advisory-lock",
    needed_by="queue_job",
    fine="a lock of one session keeps others out for as long as the session lasts",
    loss="queue_job's runners of several hosts each believe to be the only one, or none works: jobs run twice or never",
    harmless="session locks do not hold through this path; Odoo 17, 18 and 19 take none (an addon that does:"
    " slotwise scan, SW702)",
)

ROUNDS = 3


def probe(path: Path) -> Observation:
    """The same lock from two clients. The key is random; whatever was taken is given back."""
    first_key, second_key = secrets.randbelow(2**31), secrets.randbelow(2**31)
    way = path.runner
    with way.client() as holder, way.client() as rival:
        home = holder.run(f"SELECT pg_advisory_lock({first_key}, {second_key}); SELECT pg_backend_pid()").value
        taken_twice, moved = 0, False
        try:
            for _ in range(ROUNDS):
                rival.run("BEGIN")
                got = rival.run(f"SELECT pg_try_advisory_lock({first_key}, {second_key})").value == "t"
                taken_twice += got
                # While the rival keeps its server connection, a holder that has one of its own stays where it is.
                moved = moved or holder.run("SELECT pg_backend_pid()").value != home
                if got:
                    rival.run(f"SELECT pg_advisory_unlock({first_key}, {second_key})")
                rival.run("COMMIT")
        finally:
            _release(holder, rival, first_key, second_key)
    seen = (Seen("taken by two clients at once", taken_twice > 0), Seen("holder keeps its server session", not moved))
    return Observation(not taken_twice and not moved, seen)


def _release(holder: PathClient, rival: PathClient, first_key: int, second_key: int) -> None:
    """Give the lock back where it is: on the holder's server session, or on whichever one the pooler has put it."""
    unlock = (
        f"SELECT pg_advisory_unlock({first_key}, {second_key}) FROM pg_locks WHERE locktype = 'advisory' "
        f"AND pid = pg_backend_pid() AND classid = {first_key} AND objid = {second_key} AND granted"
    )
    for _ in range(10):
        for client in (holder, rival):
            if not client.closed and client.run(unlock).value == "t":
                return
