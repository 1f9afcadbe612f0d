"""A function makes a SQLAlchemy engine or a connection pool and never disposes of it.

Why it matters
--------------
Closing a connection of an engine only gives it back to the engine's pool, which keeps it open (five by
default). One engine for each call means one or more idle slots for each call until Python frees the engine.

Evidence
--------
SQLAlchemy 2.0 documentation, `Engine Disposal` and `Connection Pooling` (QueuePool, pool_size 5);
psycopg2.pool opens minconn connections at once.

Fix
---
Make the engine once (module or registry level, after the fork), or use `poolclass=NullPool`, or call
`engine.dispose()` in a `finally`.

When to ignore it
-----------------
When the engine connects to another kind of database; addresses that say so are not reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.resources import POOLS, article
from slotwise.leaks.telling import path_of, slots_of, source

TITLE = "A connection pool or engine is made for one call and never disposed of"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        opening = opened.opening
        if opened.fate == "never" and opening.kind.name in POOLS and opening.handed_by is None:
            yield Sighting(
                opened.unit,
                opening.call,
                f"`{source(opening.call)}` makes {article(opening.kind.noun)} for one call and never closes it",
                slots=slots_of(opened, facts.series),
                cure="Make one pool for the process, use `poolclass=NullPool`, or dispose of it in a `finally`.",
                steps=path_of(opened),
            )
