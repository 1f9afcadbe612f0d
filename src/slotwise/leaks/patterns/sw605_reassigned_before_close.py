"""The name of an open cursor or connection gets another value, and the first one can no longer be closed.

Why it matters
--------------
In a loop this opens one connection a turn and closes the last one only: a loop over databases or records
holds as many slots as it has turns until Python frees them.

Evidence
--------
Odoo 17.0-19.0 odoo/sql_db.py: `Cursor.__exit__` commits or rolls back and closes, `Cursor.__del__` warns
`Cursor not closed explicitly`, rolls back and marks the connection as leaked, and the next borrow logs `Free
leaked connection`.

Fix
---
Close inside the loop: `with Registry(name).cursor() as cr:`.

When to ignore it
-----------------
Never, unless another reference closes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.telling import path_of, slots_of, source

TITLE = "A name that holds an open connection is reassigned"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        opening = opened.opening
        if opened.fate == "lost":
            yield Sighting(
                opened.unit,
                opening.call,
                f"what `{source(opening.call)}` opened is lost when its name is reassigned",
                slots=slots_of(opened, facts.series),
                cure="Close it before the name gets another value, or open it in a `with` block inside the loop.",
                steps=path_of(opened),
            )
