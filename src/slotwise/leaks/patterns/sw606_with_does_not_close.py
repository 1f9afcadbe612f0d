"""`with psycopg2.connect(...) as conn` commits or rolls back, and leaves the connection open.

Why it matters
--------------
It reads as if the block closed the connection, so nobody does. Each call leaves a slot taken, outside
db_maxconn, until Python frees the object.

Evidence
--------
psycopg2 2.9 documentation: `When a connection exits the with block, if no exception has been raised by the
block, the transaction is committed ... Note that, unlike file objects or other resources, exiting the
connection's with block doesn't close the connection.` psycopg 3 does close.

Fix
---
Close as well as commit::

    with closing(psycopg2.connect(dsn)) as conn, conn, conn.cursor() as cur:
        ...


When to ignore it
-----------------
Never for psycopg2; psycopg 3 is not reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.mending import cure_of
from slotwise.leaks.telling import path_of, slots_of, source

TITLE = "`with` on a psycopg2 connection does not close it"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        opening = opened.opening
        if opened.fate == "never" and opening.with_used:
            edits, imports = cure_of(opened)
            yield Sighting(
                opened.unit,
                opening.call,
                f"`with` ends the transaction of `{source(opening.call)}` and does not close the connection",
                slots=slots_of(opened, facts.series),
                cure="Wrap it: `with contextlib.closing(psycopg2.connect(...)) as conn, conn:` commits and closes.",
                steps=path_of(opened),
                edits=edits,
                imports=imports,
            )
