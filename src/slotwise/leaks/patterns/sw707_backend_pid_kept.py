"""The addon asks for pg_backend_pid() and keeps the answer beyond the transaction.

Why it matters
--------------
Through a transaction pooler the next transaction runs on another server connection. Cancelling or terminating
the remembered pid then hits somebody else's work.

Evidence
--------
PgBouncer documentation, features table: https://www.pgbouncer.org/features.html. PostgreSQL 17 documentation,
pg_backend_pid.

Fix
---
Use the pid inside one transaction, or identify the session by application_name.

When to ignore it
-----------------
When the connection is known to bypass the pooler.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.outline import Unit

TITLE = "pg_backend_pid is kept beyond its transaction"
SEVERITY = Severity.WARNING


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for use in facts.statements:
        if use.words[:2] == ("select", "pg_backend_pid") and "from" not in use.words and _is_kept(use.unit, use.call):
            yield Sighting(
                use.unit,
                use.call,
                "the pid of the server connection is kept beyond the transaction",
                slots="Behind a transaction pooler the pid belongs to whoever has that connection next.",
                cure="Use the pid inside the same transaction only.",
            )


def _is_kept(unit: Unit, call: ast.Call) -> bool:
    """Whether the row fetched next is stored, returned, or used after a commit."""
    after = [n for n in unit.nodes if isinstance(n, (ast.expr, ast.stmt)) and n.lineno > call.lineno]
    names: set[str] = set()
    for node in after:
        if isinstance(node, ast.Assign) and _fetches(node.value):
            if any(isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets):
                return True
            names.update(t.id for target in node.targets for t in ast.walk(target) if isinstance(t, ast.Name))
    commits = [n.lineno for n in after if _method(n) in ("commit", "rollback")]
    for node in after:
        if isinstance(node, ast.Return) and node.value is not None and _carries(node.value, names):
            return True
        if _method(node) in ("write", "create", "set_param") and isinstance(node, ast.Call) and _carries(node, names):
            return True
        stored = isinstance(node, ast.Assign) and any(isinstance(t, ast.Attribute) for t in node.targets)
        if stored and isinstance(node, ast.Assign) and _carries(node.value, names):
            return True
        if isinstance(node, ast.Name) and node.id in names and any(line < node.lineno for line in commits):
            return True
    return False


def _fetches(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Attribute) and n.attr.startswith("fetch") for n in ast.walk(node))


def _carries(node: ast.AST, names: set[str]) -> bool:
    return _fetches(node) or any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(node))


def _method(node: ast.AST) -> str:
    return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
