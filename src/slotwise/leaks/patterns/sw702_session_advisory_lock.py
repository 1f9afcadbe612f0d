"""The addon takes or frees an advisory lock of the session, not of the transaction.

Why it matters
--------------
Through a transaction pooler the lock stays with a server connection that the next client gets, so it is held
by nobody and freed by nobody: jobs stop, or two of them run at once. In Odoo's own pool it survives the
commit until the connection is reset.

Evidence
--------
PgBouncer documentation, features table: https://www.pgbouncer.org/features.html. Cases: OCA/queue#668, #673.

Fix
---
Use pg_advisory_xact_lock or pg_try_advisory_xact_lock, which end with the transaction.

When to ignore it
-----------------
When the connection is known to bypass the pooler and lock and unlock run in one session.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting

TITLE = "A session-level advisory lock outlives the transaction"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for use in facts.statements:
        if _matches(use.words):
            yield Sighting(
                use.unit,
                use.call,
                "a session-level advisory lock stays on the server connection after the commit",
                slots="Behind a transaction pooler it stays on a server connection that the next client gets.",
                cure="Use pg_advisory_xact_lock() or pg_try_advisory_xact_lock().",
            )


_LOCKS = frozenset(
    f"pg_{verb}advisory_{kind}{mode}"
    for verb, kind, mode in (
        ("", "lock", ""),
        ("", "lock", "_shared"),
        ("try_", "lock", ""),
        ("try_", "lock", "_shared"),
        ("", "unlock", ""),
        ("", "unlock", "_shared"),
        ("", "unlock_all", ""),
    )
)


def _matches(words: tuple[str, ...]) -> bool:
    return not _LOCKS.isdisjoint(words)
