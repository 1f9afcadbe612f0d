"""Another program is run and waited for, without a limit, while a transaction is open.

Why it matters
--------------
A converter or a printer command that hangs keeps the transaction, its slot and its locks until somebody kills
it.

Evidence
--------
Python 3.13 documentation, subprocess.run: without `timeout` it waits until the program ends; os.system has
none.

Fix
---
Pass `timeout=`, or run the program after the commit.

When to ignore it
-----------------
When the program cannot hang.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.held import PROGRAM
from slotwise.leaks.telling import source

TITLE = "A program is run without a time-out inside a transaction"
SEVERITY = Severity.INFO


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for waiting in facts.waiting:
        if waiting.slow.what != PROGRAM or waiting.unit.module.is_test:
            continue
        if not (waiting.holding or waiting.unit.in_transaction):
            continue
        where = "with a cursor open" if waiting.holding else "inside the request's transaction"
        yield Sighting(
            waiting.unit,
            waiting.call,
            f"`{source(waiting.call)}` waits without a limit {where}",
            slots="One slot, idle in transaction, until the program ends.",
            cure="Pass `timeout=`.",
        )
