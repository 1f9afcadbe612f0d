"""COPY in and out."""

from __future__ import annotations

from slotwise.collectors.path_client import BEGIN, StatementRefused
from slotwise.collectors.path_under_test import Path, unusual
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="copy",
    needed_by="odoo",
    fine="bulk loading works: imports, installation of modules, backups",
    loss="installing modules and importing data fail where they load in bulk",
)

ROWS = 1000


def probe(path: Path) -> Observation:
    """COPY into a temporary table of the same transaction and out of it (``copy_from`` in odoo/models.py 17.0:987,
    18.0:1034, odoo/orm/models.py 19.0:656)."""
    name = unusual("copy")
    data = b"".join(b"%d\tcaf\xc3\xa9\n" % number for number in range(ROWS))
    with path.client() as client:
        client.run(BEGIN)
        try:
            client.run(f"CREATE TEMPORARY TABLE {name} (id int, name text) ON COMMIT DROP")
            client.copy_in(f"COPY {name} FROM STDIN", data)
            rows = client.run(f"SELECT count(*) FROM {name}").value
            same = client.copy_out(f"COPY (SELECT * FROM {name} ORDER BY id) TO STDOUT") == data
        except StatementRefused as error:
            return Observation(False, (Seen("answer", error.text),))
        client.run("ROLLBACK")
    return Observation(rows == str(ROWS) and same, (Seen("rows in", int(rows or 0)), Seen("same out", same)))
