"""application_name: whether PostgreSQL sees which Odoo process a session belongs to."""

from __future__ import annotations

import os

from slotwise.collectors.path_client import BEGIN
from slotwise.collectors.path_under_test import Path
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="application-name",
    needed_by="nobody",
    fine="PostgreSQL sees whose sessions they are",
    loss="pg_stat_activity does not show which Odoo process a session belongs to",
    harmless="Odoo works without it, but pg_stat_activity does not show whose sessions they are: DISCARD ALL takes the"
    " name away; slotwise doctor finds them by PgBouncer's console, and application_name=odoo in the pooler's entry"
    " names them all",
)

_NAME = "SELECT current_setting('application_name')"


def probe(path: Path) -> Observation:
    """The name in the first transaction, and in the next one after DISCARD ALL, as when Odoo's pool lends the
    connection again."""
    wanted = f"odoo-{os.getpid()}"
    with path.client(application_name=wanted) as client:
        names = []
        for _ in range(2):
            client.run(BEGIN)
            names.append(client.run(_NAME).value)
            client.run("COMMIT")
            client.run("DISCARD ALL")
    seen = (Seen("first use", names[0]), Seen("after DISCARD ALL", names[1]))
    return Observation(all(name and name.startswith("odoo") for name in names), seen)
