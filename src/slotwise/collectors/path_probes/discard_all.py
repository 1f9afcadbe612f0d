"""DISCARD ALL: what Odoo's pool sends each time that it lends a connection again."""

from __future__ import annotations

from slotwise.collectors.path_client import BEGIN, StatementRefused
from slotwise.collectors.path_under_test import Path
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="discard-all",
    needed_by="odoo",
    fine="a worker can use its pooled connections again and again",
    loss="every second request fails: Odoo cannot use a pooled connection again",
)

BORROWS = 3


def probe(path: Path) -> Observation:
    """Borrow, work, give back, as odoo/sql_db.py does (ConnectionPool.borrow: ``cnx.reset()``). PgBouncer 1.21 failed
    here where max_prepared_statements was set (its NEWS, 1.22)."""
    with path.client() as client:
        for number in range(1, BORROWS + 1):
            client.run(BEGIN)
            client.run("SELECT 1")
            client.run("COMMIT")
            try:
                client.run("DISCARD ALL")
            except StatementRefused as error:
                return Observation(False, (Seen("borrow", number), Seen("answer", error.text)))
    return Observation(True, (Seen("borrows", BORROWS),))
