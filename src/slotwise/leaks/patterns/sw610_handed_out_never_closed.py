"""A function of the addon opens a connection and returns it, and this caller never closes what it got.

Why it matters
--------------
The opening and the forgotten close are in different files, so neither looks wrong. Every call costs a slot.

Evidence
--------
Odoo 17.0-19.0 odoo/sql_db.py: `Cursor.__exit__` commits or rolls back and closes, `Cursor.__del__` warns
`Cursor not closed explicitly`, rolls back and marks the connection as leaked, and the next borrow logs `Free
leaked connection`.

Fix
---
Close it in the caller (`with closing(self._connect()) as conn:`), or turn the wrapper into a
`@contextmanager` that closes.

When to ignore it
-----------------
When the caller passes it to an owner that cannot be seen here.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.mending import cure_of
from slotwise.leaks.telling import path_of, slots_of, source

TITLE = "A wrapper hands out an open connection that its caller never closes"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        opening = opened.opening
        if opened.fate == "never" and opening.handed_by is not None and not opening.with_used:
            edits, imports = cure_of(opened)
            yield Sighting(
                opened.unit,
                opening.call,
                f"`{source(opening.call)}` hands out an open {opening.kind.noun} that is never closed here",
                slots=slots_of(opened, facts.series),
                cure=f"Close what `{opening.handed_by}` returns, or make that a context manager.",
                steps=path_of(opened),
                edits=edits,
                imports=imports,
            )
