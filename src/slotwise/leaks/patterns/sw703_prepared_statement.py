"""The addon sends PREPARE or DEALLOCATE, whose effect lives as long as the server connection.

Why it matters
--------------
Through a transaction pooler the EXECUTE finds no such statement, and the next PREPARE finds one that already
exists.

Evidence
--------
PgBouncer documentation, features table: https://www.pgbouncer.org/features.html. Protocol-level prepared
statements work from PgBouncer 1.21 with max_prepared_statements; SQL-level PREPARE does not. Case:
malthe/pq#30.

Fix
---
Send the statement with parameters instead; PostgreSQL plans it quickly enough.

When to ignore it
-----------------
When the connection is known to bypass the pooler.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting

TITLE = "PREPARE leaves a prepared statement on the server connection"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for use in facts.statements:
        if _matches(use.words):
            yield Sighting(
                use.unit,
                use.call,
                "a prepared statement stays on the server connection and is missing on the next one",
                slots="Behind a transaction pooler it stays on a server connection that the next client gets.",
                cure="Send the statement itself, with parameters.",
            )


def _matches(words: tuple[str, ...]) -> bool:
    if words[0] == "deallocate":
        return len(words) <= 3
    return words[0] == "prepare" and words[1:2] != ("transaction",) and "as" in words
