"""A cursor is passed to a thread or an executor that does not close it, or it is the request's own cursor.

Why it matters
--------------
Odoo closes the request's cursor when the request ends; the thread then writes into a connection that another
request has borrowed, or dies with `Cursor already closed`. A cursor of one's own that the thread does not
close leaks once for every thread.

Evidence
--------
Odoo 17.0-19.0 odoo/http.py closes the request's cursor after the response; psycopg2 documentation: cursors
are not thread safe.

Fix
---
Give the thread the names, not the connection::

    def work(dbname, ids):
        with Registry(dbname).cursor() as cr:
            api.Environment(cr, SUPERUSER_ID, {})["my.model"].browse(ids).run()


When to ignore it
-----------------
When the thread is joined before the cursor is closed; that is recognised within one function.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.resources import article
from slotwise.leaks.telling import slots_of, source
from slotwise.leaks.verdicts import Step

TITLE = "A cursor or connection is handed to a thread"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        opening = opened.opening
        undecided = opened.fate == "unknown" and opening.thread_line is not None
        if opened.fate == "thread" or undecided:
            yield Sighting(
                opened.unit,
                opening.call,
                f"`{source(opening.call)}` is handed to a thread that does not close it",
                slots=slots_of(opened, facts.series),
                cure="Let the thread open its own cursor in a `with` block: pass the database name and the ids.",
                steps=(
                    Step(getattr(opening.call, "lineno", 1), f"opens {article(opening.kind.noun)}"),
                    Step(opening.thread_line or 1, "hands it to a thread, which does not give it back"),
                ),
                possible=undecided,
            )
    for unit, call in facts.thread_uses:
        yield Sighting(
            unit,
            call,
            "the cursor of the request is handed to a thread, which uses it after Odoo has given it back",
            slots="Two threads on one connection: the slot goes back to the pool while the thread still writes to it.",
            cure="Let the thread open its own cursor: `with Registry(dbname).cursor() as cr:`.",
            steps=(Step(call.lineno, "hands the request's cursor to a thread"),),
        )
