"""A generator yields while it holds an open cursor or connection, and its caller may never come back.

Why it matters
--------------
Between two values the connection sits idle in transaction for as long as the caller likes. A caller that
breaks off, or takes the first value with `next`, leaves it open until Python frees the generator; an
exception's traceback can keep it for long.

Evidence
--------
Python language reference, generator expressions and `generator.close`; Odoo 17.0-19.0 odoo/sql_db.py:
`Cursor.__exit__` commits or rolls back and closes, `Cursor.__del__` warns `Cursor not closed explicitly`,
rolls back and marks the connection as leaked, and the next borrow logs `Free leaked connection`.

Fix
---
Fetch inside the block and yield after it, or make it a context manager (`@contextmanager`) that the caller
enters.

When to ignore it
-----------------
When every caller reads it to the end; those in the same addon are recognised.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.resources import article
from slotwise.leaks.telling import source
from slotwise.leaks.verdicts import Step

TITLE = "A generator holds a cursor or connection while it waits"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        opening = opened.opening
        if opening.yield_line is None or opening.kept is not None:
            continue
        undecided = opened.fate == "unknown" and opening.managed
        if opened.fate == "suspended" or undecided:
            yield Sighting(
                opened.unit,
                opening.call,
                f"the generator holds `{source(opening.call)}` open for as long as nobody reads it to its end",
                slots="One slot for each generator that was started and not finished.",
                cure="Read the rows first and yield them after the block, or let the caller open the cursor.",
                steps=(
                    Step(getattr(opening.call, "lineno", 1), f"opens {article(opening.kind.noun)}"),
                    Step(opening.yield_line, "waits here with it open; a caller that stops early leaves it so"),
                ),
                possible=undecided,
            )
