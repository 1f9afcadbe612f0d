"""The addon changes a setting of the session: SET without LOCAL, or set_config with is_local false.

Why it matters
--------------
Through a transaction pooler the next client of that server connection works with the setting: another
search_path, role or time zone, or a statement_timeout that nobody there asked for. In Odoo's own pool it
lasts until the connection is reset at its next borrow.

Evidence
--------
PgBouncer documentation, features table: https://www.pgbouncer.org/features.html. Odoo resets re-used
connections with DISCARD ALL at borrow (odoo/sql_db.py), which through a transaction pooler may hit another
server connection.

Fix
---
Use `SET LOCAL`, which ends with the transaction; in set_config pass true.

When to ignore it
-----------------
When the session is the addon's own and does not go through a pooler.
"""

from __future__ import annotations

from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.session_cure import with_local

TITLE = "SET without LOCAL outlives the transaction"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for use in facts.statements:
        if _matches(use.words):
            yield Sighting(
                use.unit,
                use.call,
                "a setting of the session is left behind on the server connection",
                slots="Behind a transaction pooler it stays on a server connection that the next client gets.",
                cure="Use SET LOCAL, or set_config(..., true).",
                edits=with_local(use, facts),
            )


_OF_A_TRANSACTION = frozenset({"local", "transaction", "constraints"})


def _matches(words: tuple[str, ...]) -> bool:
    if words[0] == "set":
        return len(words) > 2 and words[1] not in _OF_A_TRANSACTION
    return "set_config" in words and _last_argument(words) == "false"


def _last_argument(words: tuple[str, ...]) -> str:
    """The word before the parenthesis that closes set_config."""
    depth = 0
    for position in range(words.index("set_config") + 1, len(words)):
        depth += {"(": 1, ")": -1}.get(words[position], 0)
        if depth == 0:
            return words[position - 1]
    return ""
