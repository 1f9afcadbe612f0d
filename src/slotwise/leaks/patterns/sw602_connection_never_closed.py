"""A connection of a driver (psycopg2, psycopg, asyncpg, SQLAlchemy) is opened and no path of the function closes
it.

Why it matters
--------------
Odoo does not count such a connection: it lies outside db_maxconn, so the arithmetic of workers and
max_connections no longer holds. It lives until Python frees the object; kept alive by a traceback, a cache or
a thread it lives as long as the process.

Evidence
--------
psycopg2 closes a connection when its object dies (connection_dealloc) and only in the process that made it;
asyncpg and psycopg warn; a SQLAlchemy connection goes back to an engine that keeps it open.

Fix
---
Close it on every path::

    with contextlib.closing(psycopg2.connect(dsn)) as conn, conn, conn.cursor() as cur:
        cur.execute(...)


When to ignore it
-----------------
When a process that ends right away opens it, such as a command-line tool.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.mending import cure_of
from slotwise.leaks.resources import RAW, article
from slotwise.leaks.telling import path_of, slots_of, source

TITLE = "A database connection is opened and never closed"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        opening = opened.opening
        if opened.fate == "never" and opening.kind.name in RAW and opening.handed_by is None and not opening.with_used:
            edits, imports = cure_of(opened)
            yield Sighting(
                opened.unit,
                opening.call,
                f"`{source(opening.call)}` opens {article(opening.kind.noun)} that no path closes",
                slots=slots_of(opened, facts.series),
                cure="Close it in a `finally`, or open it in `with contextlib.closing(...)`.",
                steps=path_of(opened),
                edits=edits,
                imports=imports,
            )
