"""The addon rolls back the transaction of the request or cron job, and goes on.

Why it matters
--------------
Everything that the caller wrote is undone too, silently, and the records in memory no longer match the
database. The caller reports success.

Evidence
--------
Odoo 17.0-19.0 odoo/sql_db.py Cursor.rollback; a savepoint undoes only what happened inside it.

Fix
---
Use a savepoint: `with self.env.cr.savepoint(): ...`.

When to ignore it
-----------------
Code that commits the same transaction before (itself, or in a function of the addon that it calls) is not reported.
In a cron method that commits as it goes and owns the whole transaction.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.outline import every_node
from slotwise.leaks.request_cursor import RequestCursorUse, commits
from slotwise.leaks.telling import source

TITLE = "The cursor that Odoo lent is rolled back by the addon"
SEVERITY = Severity.INFO


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for use in facts.request_uses:
        if use.action == "rollback" and not use.leaves and not use.unit.module.is_test:
            if _commits_itself(use, facts) or _read_only(use):
                continue
            yield Sighting(
                use.unit,
                use.node,
                f"`{source(use.node)}` undoes everything the caller did in this transaction",
                slots="No slot is lost; the work of the request is.",
                cure="Use `with self.env.cr.savepoint():` around what may fail.",
            )


def _commits_itself(use: RequestCursorUse, facts: AddonFacts) -> bool:
    """Whether the code before the rollback (or a turn before it) commits this transaction: it then undoes its own."""
    unit, line = use.unit, getattr(use.node, "lineno", 0)
    loops = [node for node in unit.nodes if isinstance(node, (ast.For, ast.AsyncFor, ast.While))]
    around = [n for loop in loops if loop.lineno < line <= (loop.end_lineno or line) for n in every_node(loop)]
    before = [*(node for node in unit.nodes if getattr(node, "lineno", line) < line), *around]
    if any(commits(node) for node in before):
        return True
    called = [facts.analysis.addon.called(node, unit) for node in before if isinstance(node, ast.Call)]
    return any(commits(node) for other in called if other is not None for node in other.nodes)


def _read_only(use: RequestCursorUse) -> bool:
    """``if cr.readonly: cr.rollback()`` (Odoo 18 and 19): a transaction that only reads has nothing to lose."""
    guards = [node for node in use.unit.nodes if isinstance(node, ast.If)]
    asked = [n for n in guards if any(isinstance(i, ast.Attribute) and i.attr == "readonly" for i in ast.walk(n.test))]
    return any(inner is use.node for guard in asked for child in guard.body for inner in ast.walk(child))
