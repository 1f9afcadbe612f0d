"""The addon makes a temporary table that is not dropped at the commit.

Why it matters
--------------
Temporary tables belong to the server connection. Through a transaction pooler the next statement may land on
another one (`relation does not exist`), and the next run on the first one (`relation already exists`). They
also hold catalog rows and memory in a connection that stays in a pool.

Evidence
--------
PgBouncer documentation, features table: https://www.pgbouncer.org/features.html. Odoo's DISCARD ALL at the
next borrow drops them in its own pool.

Fix
---
`CREATE TEMPORARY TABLE ... ON COMMIT DROP`, or drop it in the same function.

When to ignore it
-----------------
When the connection is known to bypass the pooler and to be closed soon.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.session_cure import with_drop

TITLE = "A temporary table without ON COMMIT DROP outlives the transaction"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    dropped = {
        (id(use.unit), use.words[position + 1])
        for use in facts.statements
        if use.words[:2] == ("drop", "table")
        for position in range(1, len(use.words) - 1)
    }
    for use in facts.statements:
        name = _temporary_table(use.words)
        if name is not None and (id(use.unit), name) not in dropped:
            yield Sighting(
                use.unit,
                use.call,
                f"the temporary table {name} stays on the server connection after the commit",
                slots="Behind a transaction pooler the table is left on one server connection and missing on the next.",
                cure="Add ON COMMIT DROP, or drop it before the transaction ends.",
                edits=with_drop(use, facts),
            )


def _temporary_table(words: tuple[str, ...]) -> str | None:
    """The name of the temporary table that is made and not dropped at the commit, or None."""
    if words[0] == "create":
        position = 2 if words[1:2] in (("local",), ("global",)) else 1
        if words[position : position + 1] not in (("temp",), ("temporary",)) or "table" not in words[:6]:
            return None
        if any(words[i : i + 3] == ("on", "commit", "drop") for i in range(len(words))):
            return None
        after = words.index("table") + 1
        if words[after : after + 3] == ("if", "not", "exists"):
            after += 3
        return words[after] if after < len(words) else "?"
    if words[0] in ("select", "with"):
        for position in range(len(words) - 2):
            if words[position] == "into" and words[position + 1] in ("temp", "temporary"):
                after = position + 3 if words[position + 2] == "table" else position + 2
                return words[after] if after < len(words) else "?"
    return None
