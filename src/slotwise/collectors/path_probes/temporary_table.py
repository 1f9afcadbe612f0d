"""Temporary tables with ON COMMIT DROP, as Odoo's reports make them."""

from __future__ import annotations

from slotwise.collectors.path_client import BEGIN, StatementRefused
from slotwise.collectors.path_under_test import Path, unusual
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="temporary-table",
    needed_by="odoo",
    fine="reports that compute in a temporary table work",
    loss="accounting reports that need a temporary table fail",
)


def probe(path: Path) -> Observation:
    """``CREATE TEMPORARY TABLE … ON COMMIT DROP`` (addons/account/models/res_currency.py 18.0:131, 19.0:129), filled
    and read in one transaction, gone after it."""
    name = unusual("table")
    with path.client() as client:
        client.run(BEGIN)
        try:
            client.run(f"CREATE TEMPORARY TABLE {name} (id int) ON COMMIT DROP")
            client.run(f"INSERT INTO {name} SELECT generate_series(1, 10)")
            rows = client.run(f"SELECT count(*) FROM {name}").value
        except StatementRefused as error:
            client.run("ROLLBACK")
            return Observation(
                False, (Seen("answer", error.text),), remedy="GRANT TEMPORARY ON DATABASE to Odoo's role"
            )
        client.run("COMMIT")
        left = client.run(f"SELECT to_regclass('pg_temp.{name}') IS NOT NULL").value
    seen = (Seen("rows in one transaction", int(rows or 0)), Seen("left after commit", left == "t"))
    return Observation(rows == "10" and left == "f", seen)
