"""The addon rolls back the transaction of the request or cron job, and goes on.

Why it matters
--------------
Everything that the caller wrote is undone too, silently, and the records in memory no longer match the
database. The caller reports success.

Evidence
--------
Odoo 17.0-19.0 odoo/sql_db.py Cursor.rollback; a savepoint undoes only what happened inside it.

Fix
---
Use a savepoint: `with self.env.cr.savepoint(): ...`.

When to ignore it
-----------------
In a cron method that commits as it goes and owns the whole transaction.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.telling import source

TITLE = "The cursor that Odoo lent is rolled back by the addon"
SEVERITY = Severity.INFO


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for use in facts.request_uses:
        if use.action == "rollback" and not use.leaves and not use.unit.module.is_test:
            yield Sighting(
                use.unit,
                use.node,
                f"`{source(use.node)}` undoes everything the caller did in this transaction",
                slots="No slot is lost; the work of the request is.",
                cure="Use `with self.env.cr.savepoint():` around what may fail.",
            )
