"""A call to another host, without a time-out, is made while a transaction is open.

Why it matters
--------------
The transaction sits idle for as long as the other side likes: its slot (and behind a transaction pooler a
server connection) is held, its locks block others, and one dead host stops as many workers as call it.

Evidence
--------
requests waits for ever unless `timeout` is given; so do urllib, http.client, smtplib, ftplib, imaplib and
sockets (socket.getdefaulttimeout() is None); httpx stops after 5 s and is reported only with timeout=None.

Fix
---
Pass `timeout=`; better, make the call after the commit (`self.env.cr.postcommit.add(...)`) or in a queue job.

When to ignore it
-----------------
When a default time-out is set elsewhere (socket.setdefaulttimeout, an HTTP adapter).
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.held import NETWORK
from slotwise.leaks.telling import source

TITLE = "A network call without a time-out inside a transaction"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for waiting in facts.waiting:
        if waiting.slow.what != NETWORK or waiting.unit.module.is_test:
            continue
        if not (waiting.holding or waiting.unit.in_transaction):
            continue
        where = "with a cursor open" if waiting.holding else "inside the request's transaction"
        yield Sighting(
            waiting.unit,
            waiting.call,
            f"`{source(waiting.call)}` may wait for ever {where}",
            slots="One slot, idle in transaction, for as long as the other side does not answer.",
            cure="Pass `timeout=`, and make the call after the commit where the result allows it.",
        )
