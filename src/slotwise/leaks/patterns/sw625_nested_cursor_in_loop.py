"""A cursor is opened inside a loop while the request's own cursor is open.

Why it matters
--------------
Each process needs two connections at once for as long as the loop runs, so its share of slots doubles; with a
small db_maxconn, or a pooler of exactly as many server connections as workers, the second one waits for the
first, which never ends.

Evidence
--------
Odoo 17.0-19.0 odoo/sql_db.py ConnectionPool.borrow: a re-used connection is reset with DISCARD ALL at each
borrow. Nested cursors with a pool of the size of the outer transactions fail by hold-and-wait.

Fix
---
Open one cursor around the loop, or use `with self.env.cr.savepoint():` when the point is to survive an error.

When to ignore it
-----------------
When each turn must be kept on its own (a log written whatever happens) and the loop is short.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from slotwise.findings import Severity
from slotwise.leaks.facts import AddonFacts, Sighting
from slotwise.leaks.resources import CURSOR
from slotwise.leaks.telling import source

TITLE = "A second cursor is opened in every turn of a loop"
SEVERITY = Severity.INFO

# Also where the cursor is not given back, which another pattern reports: closing it in each turn would be half a cure.
_FATES = frozenset({"fine", "never", "success", "branches", "lost"})


def find(facts: AddonFacts) -> Iterator[Sighting]:
    """Sightings of this pattern in one addon."""
    for opened in facts.opened:
        opening, loop = opened.opening, opened.opening.in_loop
        if opening.kind is not CURSOR or not isinstance(loop, (ast.For, ast.AsyncFor)):
            continue
        if opened.fate not in _FATES:
            continue
        if opened.unit.module.is_test or not (opened.unit.in_transaction or opening.while_cursor_open):
            continue
        if _retries(loop) or _depends_on(opening.call, loop):
            continue
        when = " that fails" if _on_error(opening.call, loop) else ""
        yield Sighting(
            opened.unit,
            opening.call,
            f"`{source(opening.call)}` opens a second cursor in every turn of the loop{when}",
            slots=f"A second slot beside the request's, borrowed and reset (DISCARD ALL) once for every turn{when}.",
            cure="Open one cursor around the loop, or use a savepoint.",
        )


def _retries(loop: ast.For | ast.AsyncFor) -> bool:
    """``for attempt in range(3)``: a loop that is left as soon as it works."""
    iterated = loop.iter
    return isinstance(iterated, ast.Call) and getattr(iterated.func, "id", "") == "range"


def _on_error(call: ast.AST, loop: ast.For | ast.AsyncFor) -> bool:
    """Whether the cursor is opened by an exception handler inside the loop: in a bad turn, not in each."""
    handlers = [node for node in ast.walk(loop) if isinstance(node, ast.ExceptHandler)]
    return any(inner is call for handler in handlers for inner in ast.walk(handler))


def _mentions(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in names for inner in ast.walk(node))


def _depends_on(call: ast.AST, loop: ast.For | ast.AsyncFor) -> bool:
    """Whether the cursor is another one each time, such as one for each database."""
    names = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
    for statement in loop.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Assign) and _mentions(node.value, names):
                names.update(t.id for t in node.targets if isinstance(t, ast.Name))
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return False
    opener = call.func.value
    arguments = [*opener.args, *(k.value for k in opener.keywords)] if isinstance(opener, ast.Call) else []
    if not isinstance(opener, ast.Call):
        return any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(opener))
    return any(isinstance(n, ast.Name) and n.id in names for a in arguments for n in ast.walk(a))
