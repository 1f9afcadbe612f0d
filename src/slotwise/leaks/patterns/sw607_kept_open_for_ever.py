"""An open cursor or connection is put into a global, a class, a cache or a closure, and nothing ever closes it.

Why it matters
--------------
Every Odoo process (each HTTP and cron worker, the gevent process) that runs the line holds one slot for good.
Borrowed from Odoo's pool it can never be evicted, so the pool is smaller by one; in a transaction it also
keeps vacuum from cleaning up.

Evidence
--------
Odoo 17.0-19.0 odoo/sql_db.py, ConnectionPool.borrow: only unused connections are evicted at the cap or after
MAX_IDLE_TIMEOUT; a referenced one never is.

Fix
---
Open it for the work and close it after; keep the *parameters*, not the connection. Where one long-lived
connection is wanted (LISTEN), give it an owner with a `close` that the server's stop calls.

When to ignore it
-----------------
When one connection a process is the design (a listener, a session store): count it in the plan with `slotwise
plan` and ignore the line with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.resources import article
from slotwise.leaks.telling import is_own_object, source
from slotwise.leaks.verdicts import Step

TITLE = "A cursor or connection is kept for as long as the process lives"
SEVERITY = Severity.WARNING


_WHERE = {
    "global": "in the module as `{}`",
    "class": "on the class as `{}`",
    "object": "on another object as `{}`",
    "closure": "in a function that outlives this one (`{}`)",
    "cache": "in the cache of `{}`",
}


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        kept = opened.opening.kept
        if opened.fate != "kept" or kept is None or is_own_object(opened):
            continue
        yield Sighting(
            opened.unit,
            opened.opening.call,
            f"`{source(opened.opening.call)}` is kept {_WHERE[kept.how].format(kept.name)} and nothing closes it",
            slots="One slot for every process (and thread) that comes here, for as long as that process lives.",
            cure="Open it where it is used, or close it where its owner ends.",
            steps=(
                Step(getattr(opened.opening.call, "lineno", 1), f"opens {article(opened.opening.kind.noun)}"),
                Step(kept.line, "keeps it, and no function of the addon gives it back"),
            ),
        )
