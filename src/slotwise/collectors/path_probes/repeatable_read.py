"""REPEATABLE READ: every transaction of Odoo's is one."""

from __future__ import annotations

from slotwise.collectors.path_client import BEGIN, BEGIN_READ_ONLY
from slotwise.collectors.path_under_test import Path
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="repeatable-read",
    needed_by="odoo",
    fine="a request sees one state of the database from its first to its last statement",
    loss="a request sees other people's commits between two of its statements: sums, stock moves and sequences go wrong"
    " without an error",
)

_SNAPSHOT = "SELECT txid_current_snapshot()::text"


def probe(path: Path) -> Observation:
    """The level that BEGIN asks for is the one that is given, also for a read-only transaction, and another client's
    commit does not move the snapshot."""
    with path.client() as reader, path.client() as other:
        reader.run(BEGIN)
        level = reader.run("SHOW transaction_isolation").value
        before = reader.run(_SNAPSHOT).value
        # A transaction id is all that this commits.
        other.run("BEGIN")
        other.run("SELECT txid_current()")
        other.run("COMMIT")
        after = reader.run(_SNAPSHOT).value
        reader.run("ROLLBACK")
        reader.run(BEGIN_READ_ONLY)
        read_only = reader.run(
            "SELECT current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only')"
        ).value
        reader.run("ROLLBACK")
    stable = before == after
    seen = (
        Seen("isolation", level),
        Seen("read-only transaction", read_only),
        Seen("snapshot stays", stable),
    )
    return Observation(level == "repeatable read" and read_only == "repeatable read on" and stable, seen)
