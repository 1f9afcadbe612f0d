"""A cursor or connection is closed at the end of the work, so an exception on the way there leaves it open.

Why it matters
--------------
Errors come in bursts: a broken import, a lock time-out, a full disk. Each one then also costs a slot, and the
traceback that Odoo logs keeps the cursor alive. That is how an incident of another kind turns into `too many
clients already`.

Evidence
--------
Odoo 17.0-19.0 odoo/sql_db.py: `Cursor.__exit__` commits or rolls back and closes, `Cursor.__del__` warns
`Cursor not closed explicitly`, rolls back and marks the connection as leaked, and the next borrow logs `Free
leaked connection`. Case: odoo/odoo#89492, where a failing commit left the cron cursor open.

Fix
---
Move the close into a `finally`, or use `with`.

When to ignore it
-----------------
When the calls in between cannot fail; they rarely cannot.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.mending import cure_of
from slotwise.leaks.telling import path_of, slots_of, source

TITLE = "A cursor or connection is closed only when nothing raises"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        opening = opened.opening
        if opened.fate == "success":
            edits, imports = cure_of(opened)
            yield Sighting(
                opened.unit,
                opening.call,
                f"`{source(opening.call)}` is given back only when nothing raises",
                slots=slots_of(opened, facts.series),
                cure="Give it back in a `finally`, or open it in a `with` block.",
                steps=path_of(opened),
                edits=edits,
                imports=imports,
            )
