"""`cr.commit()` on the cursor of the request or cron job runs once for each record of a loop.

Why it matters
--------------
Each commit runs the post-commit hooks: a bus notification opens a short connection to database `postgres`
each time, so a loop over thousands of records is a burst of new sessions; it also makes a half-done import
permanent.

Evidence
--------
Odoo 17.0 addons/bus/models/bus.py 119-128 (18.0: 141-159, 19.0: 147-165): a post-commit hook connects to
`postgres` and notifies.

Fix
---
Commit once after the loop, or every few hundred records; in Odoo 18+ cron methods use
`self.env['ir.cron']._commit_progress()`.

When to ignore it
-----------------
When each record must be kept even if the next one fails, such as after a payment or an external call that
cannot be undone.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.telling import source

TITLE = "The request's transaction is committed in every turn of a loop"
SEVERITY = Severity.INFO


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for use in facts.request_uses:
        if use.action == "commit" and use.each_time and not use.leaves and not use.unit.module.is_test:
            yield Sighting(
                use.unit,
                use.node,
                f"`{source(use.node)}` runs in every turn of the loop",
                slots="Each commit runs the post-commit hooks: a bus message opens one short connection each time.",
                cure="Commit once after the loop, or once for a batch." + _in_cron(facts.series),
            )


def _in_cron(series: str | None) -> str:
    """What Odoo itself offers since 19.0 (odoo/addons/base/models/ir_cron.py, _commit_progress)."""
    if series is None or series < "19":
        return ""
    return " A cron job says `self.env['ir.cron']._commit_progress(...)` and stops when that returns 0."
