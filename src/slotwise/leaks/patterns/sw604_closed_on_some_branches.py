"""A cursor or connection is closed on one branch and left open on another, by an early return, a raise or a
condition.

Why it matters
--------------
The forgotten branch is usually the rare one, so the leak passes every test and grows in production with the
cases that take it.

Evidence
--------
Odoo 17.0-19.0 odoo/sql_db.py: `Cursor.__exit__` commits or rolls back and closes, `Cursor.__del__` warns
`Cursor not closed explicitly`, rolls back and marks the connection as leaked, and the next borrow logs `Free
leaked connection`.

Fix
---
Use `with`, or put the close into a `finally` that all branches share.

When to ignore it
-----------------
When the branch that leaves it open hands it to an owner that cannot be seen here.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.mending import cure_of
from slotwise.leaks.telling import path_of, slots_of, source

TITLE = "A cursor or connection is closed on some branches only"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        opening = opened.opening
        if opened.fate == "branches":
            edits, imports = cure_of(opened)
            yield Sighting(
                opened.unit,
                opening.call,
                f"`{source(opening.call)}` is left open on some paths",
                slots=slots_of(opened, facts.series),
                cure="Give it back on every path: a `with` block or a `finally` covers them all.",
                steps=path_of(opened),
                edits=edits,
                imports=imports,
            )
