"""The addon sends LISTEN or UNLISTEN, which binds to one server connection.

Why it matters
--------------
Through PgBouncer in transaction mode the server connection is given to somebody else after the commit:
notifications never arrive and no error is raised anywhere (measured: 0 of 3).

Evidence
--------
PgBouncer documentation, features table: https://www.pgbouncer.org/features.html. Cases:
OCA/server-tools#1629, OCA/queue#376.

Fix
---
Connect the listener directly to PostgreSQL, or to a pool entry with pool_mode=session; for queue_job set
jobrunner_db_host and jobrunner_db_port.

When to ignore it
-----------------
When the connection is known to bypass the pooler, or there is none.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting

TITLE = "LISTEN needs a session of its own"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for use in facts.statements:
        if _matches(use.words):
            yield Sighting(
                use.unit,
                use.call,
                "LISTEN binds to one server connection; a transaction pooler gives that away at the commit",
                slots="A listener holds one slot while it runs; through a transaction pooler it hears nothing.",
                cure="Connect listeners directly or through a session pool.",
            )


def _matches(words: tuple[str, ...]) -> bool:
    return words[0] in ("listen", "unlisten") and len(words) <= 3
