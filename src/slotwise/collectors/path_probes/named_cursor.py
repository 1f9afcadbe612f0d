"""Named cursors: within a transaction (Odoo), and WITH HOLD across transactions (queue_job)."""

from __future__ import annotations

from slotwise.collectors.path_client import BEGIN, StatementRefused
from slotwise.collectors.path_under_test import Path, unusual
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="named-cursor",
    needed_by="odoo",
    fine="named cursors work, within a transaction and across transactions",
    loss="a named cursor is lost: the check of the accounting hash, or queue_job's start, fails with `cursor … does not"
    " exist`",
    harmless="a cursor WITH HOLD is lost between two transactions; Odoo's own stay within one and work"
    " (an addon that holds one: slotwise scan, SW705)",
)


def probe(path: Path) -> Observation:
    """Odoo declares, fetches and closes in one transaction (addons/account/models/company.py 18.0:930, 19.0:1021); OCA
    queue_job's runner reads a cursor WITH HOLD (queue_job/jobrunner/runner.py)."""
    name = unusual("cursor")
    with path.client() as client:
        client.run(BEGIN)
        try:
            client.run(f"DECLARE {name} CURSOR FOR SELECT generate_series(1, 100)")
            fetched = len(client.run(f"FETCH 60 FROM {name}").rows) + len(client.run(f"FETCH 60 FROM {name}").rows)
            client.run(f"CLOSE {name}")
        except StatementRefused as error:
            client.run("ROLLBACK")
            return Observation(False, (Seen("within a transaction", error.text),))
        client.run("COMMIT")
    within = Seen("within a transaction", fetched == 100)
    if fetched != 100:
        return Observation(False, (within,))
    held = _with_hold(path.runner)
    return Observation(held, (within, Seen("with hold, across transactions", held)), needed_by="queue_job")


def _with_hold(path: Path) -> bool:
    name = unusual("hold")
    with path.client() as client, path.client() as other:
        client.run("BEGIN")
        client.run(f"DECLARE {name} CURSOR WITH HOLD FOR SELECT 1")
        client.run("COMMIT")
        # The other client takes the server connection that a transaction pool would have taken back.
        other.run("BEGIN")
        moved_to = other.run(f"SELECT name FROM pg_cursors WHERE name = '{name}'").value
        try:
            found = len(client.run(f"FETCH ALL FROM {name}").rows) == 1
            client.run(f"CLOSE {name}")
        except StatementRefused:
            found = False
        if moved_to is not None:
            other.run(f"CLOSE {name}")
        other.run("COMMIT")
    return found
