"""A cursor of Odoo's pool is opened and no path of the function closes it.

Why it matters
--------------
An open cursor is one borrowed connection: it counts against db_maxconn, holds one PostgreSQL slot, and sits
idle in transaction with the locks and the snapshot of its last statement. Under load the pool fills and Odoo
answers `The Connection Pool Is Full`; through a transaction pooler it also pins a server connection. In Odoo
19 a cursor that an Environment was made of waits for the garbage collector, so each leak lives longer than in
17 and 18.

Evidence
--------
Odoo 17.0-19.0 odoo/sql_db.py: `Cursor.__exit__` commits or rolls back and closes, `Cursor.__del__` warns
`Cursor not closed explicitly`, rolls back and marks the connection as leaked, and the next borrow logs `Free
leaked connection`.

Fix
---
Use the cursor as a context manager::

    with self.env.registry.cursor() as cr:
        env = api.Environment(cr, SUPERUSER_ID, {})
        ...

`slotwise scan --fix` writes `with closing(...)`, which closes and leaves commits as they are.

When to ignore it
-----------------
When the function is handed to code that closes the cursor in a way that cannot be seen here; say so in the
comment.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.mending import cure_of
from slotwise.leaks.resources import CURSOR
from slotwise.leaks.telling import path_of, slots_of, source

TITLE = "An Odoo cursor is opened and never closed"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        opening = opened.opening
        if opened.fate == "never" and opening.kind is CURSOR and opening.handed_by is None:
            edits, imports = cure_of(opened)
            yield Sighting(
                opened.unit,
                opening.call,
                f"`{source(opening.call)}` opens a cursor that no path closes",
                slots=slots_of(opened, facts.series),
                cure="Open it in a `with` block, which commits or rolls back and gives the connection back.",
                steps=path_of(opened),
                edits=edits,
                imports=imports,
            )
