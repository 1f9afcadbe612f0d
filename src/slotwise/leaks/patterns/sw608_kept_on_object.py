"""An object stores an open cursor or connection in an attribute, and no method of its class closes it.

Why it matters
--------------
The slot is held for as long as anything refers to the object: a cache, a traceback, a test case (unittest
keeps test objects until the run ends).

Evidence
--------
Odoo 17.0-19.0 odoo/sql_db.py: `Cursor.__exit__` commits or rolls back and closes, `Cursor.__del__` warns
`Cursor not closed explicitly`, rolls back and marks the connection as leaked, and the next borrow logs `Free
leaked connection`.

Fix
---
Add a `close` method or `__exit__` that closes the attribute, and call it. In tests:
`self.addCleanup(self.cr2.close)`.

When to ignore it
-----------------
When another addon's subclass closes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.resources import article
from slotwise.leaks.telling import is_own_object, source
from slotwise.leaks.verdicts import Step

TITLE = "An object keeps a cursor or connection that its class never closes"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        kept = opened.opening.kept
        if opened.fate != "kept" or kept is None or not is_own_object(opened):
            continue
        yield Sighting(
            opened.unit,
            opened.opening.call,
            f"`{source(opened.opening.call)}` is kept as `{kept.name}` and no method of the class closes it",
            slots="One slot for each such object, until Python frees it.",
            cure=f"Give the class a method that closes `{kept.name}` and call it (in tests: addCleanup).",
            steps=(
                Step(getattr(opened.opening.call, "lineno", 1), f"opens {article(opened.opening.kind.noun)}"),
                Step(kept.line, f"keeps it as `{kept.name}`; no method of the class gives that back"),
            ),
        )
