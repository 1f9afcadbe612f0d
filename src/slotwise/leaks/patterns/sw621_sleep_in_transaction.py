"""The code sleeps while a transaction is open.

Why it matters
--------------
A sleeping transaction holds its slot, its locks and its snapshot and does no work. A rate limit of one call a
second over a thousand records holds them for a quarter of an hour.

Evidence
--------
PostgreSQL shows it as idle in transaction; Odoo's limit_time_real kills a worker after 120 s by default.

Fix
---
Do the waiting outside: a cron that comes back, a queue job with `eta`, or commit and open a new cursor for
the next step.

When to ignore it
-----------------
For pauses under half a second, which are not reported, and in scripts that nobody else waits for.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.held import SLEEP
from slotwise.leaks.telling import source

TITLE = "A pause inside a transaction"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for waiting in facts.waiting:
        if waiting.slow.what != SLEEP or waiting.unit.module.is_test:
            continue
        if not (waiting.holding or waiting.unit.in_transaction):
            continue
        where = "with a cursor open" if waiting.holding else "inside the request's transaction"
        yield Sighting(
            waiting.unit,
            waiting.call,
            f"`{source(waiting.call)}` pauses {where}",
            slots="One slot, idle in transaction, for as long as the pause lasts.",
            cure="Come back later (cron, queue job with an eta) instead of waiting with the transaction open.",
        )
