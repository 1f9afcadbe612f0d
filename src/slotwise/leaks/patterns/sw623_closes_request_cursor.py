"""The addon closes the cursor of the request, cron job or test, which it did not open.

Why it matters
--------------
Odoo still uses it: everything after that line fails with `InterfaceError: Cursor already closed`, including
Odoo's own flush and commit, and what the user did is lost.

Evidence
--------
Odoo 17.0-19.0 odoo/sql_db.py Cursor.close; odoo/http.py and ir_cron close the cursors that they open.

Fix
---
Leave it open. If the transaction must end here, `commit()` or `rollback()`; if another one is needed, open a
cursor of your own.

When to ignore it
-----------------
Never in an addon; a script of `odoo-bin shell` that ends anyway is harmless.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.telling import source

TITLE = "The cursor that Odoo lent is closed by the addon"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for use in facts.request_uses:
        if use.action in ("close", "with") and not use.unit.module.is_test:
            yield Sighting(
                use.unit,
                use.node,
                f"`{source(use.node)}` closes a cursor that Odoo lent and still uses",
                slots="The slot goes back to the pool while the request goes on; the rest of the request fails.",
                cure="Leave it to Odoo, which closes what it opened.",
            )
