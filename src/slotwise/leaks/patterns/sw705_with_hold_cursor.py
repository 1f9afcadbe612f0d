"""The addon declares a cursor WITH HOLD, which outlives its transaction.

Why it matters
--------------
Through a transaction pooler the next FETCH goes to another server connection: `cursor does not exist`.

Evidence
--------
PgBouncer documentation, features table: https://www.pgbouncer.org/features.html. Case: OCA/queue#539 (`cursor
select_jobs does not exist`).

Fix
---
Read inside one transaction, or in pages by key (`WHERE id > %s ORDER BY id LIMIT 1000`).

When to ignore it
-----------------
When the connection is known to bypass the pooler.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.outline import Unit

TITLE = "A WITH HOLD cursor needs the same server connection"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for use in facts.statements:
        if "cursor" in use.words and any(pair == ("with", "hold") for pair in pairwise(use.words)):
            yield _sighting(use.unit, use.call)
    for module in facts.analysis.addon.modules:
        if "withhold" not in module.text:
            continue
        for unit in module.units:
            for node in unit.nodes:
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "cursor" and _holds(node):
                    yield _sighting(unit, node)


def _holds(call: ast.Call) -> bool:
    return any(k.arg == "withhold" and getattr(k.value, "value", None) is True for k in call.keywords)


def _sighting(unit: Unit, node: ast.Call) -> Sighting:
    return Sighting(
        unit,
        node,
        "a WITH HOLD cursor lives on the server connection after the commit",
        slots="The slot cannot be shared while the cursor is open; through a transaction pooler the cursor is lost.",
        cure="Read it inside one transaction (without hold), or in pages by key.",
    )
