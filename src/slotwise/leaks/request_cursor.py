"""What code does to the cursor that Odoo lends it: ``commit``, ``rollback`` and ``close`` on ``self.env.cr``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import msgspec

from slotwise.leaks.names import chain
from slotwise.leaks.outline import Unit, every_node

_ENDS = (".env.cr", "._cr", ".cr")
_REQUEST = frozenset({"self.env.cr", "self._cr", "self.cr", "cls._cr", "request.env.cr", "request.cr", "cls.env.cr"})


class RequestCursorUse(msgspec.Struct, frozen=True):
    """``action`` (commit, rollback, close, with) on a cursor that the code did not open.

    ``each_time``: once for every turn of a loop, without batching. ``leaves``: the path ends right after it (a
    rollback: by an exception).
    """

    unit: Unit
    node: ast.expr
    action: str
    each_time: bool
    leaves: bool


def commits(node: ast.AST) -> bool:
    """Whether ``node`` commits a cursor of Odoo: ``env.cr.commit()``, ``cr.commit()``, or ``_commit_progress()``.

    Odoo 19.0 odoo/addons/base/models/ir_cron.py, ``_commit_progress``: it commits what the cron job has done so far.
    """
    if not isinstance(node, ast.Call):
        return False
    last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if last in ("_commit_progress", "commit_progress"):
        return True
    if last != "commit" or not isinstance(node.func, ast.Attribute):
        return False
    text = chain(node.func.value)
    return text is not None and (text in _REQUEST or text == "cr" or text.endswith(_ENDS))


def uses_of(unit: Unit) -> Iterator[RequestCursorUse]:
    """Every use in ``unit``; nothing where ``self`` was given another cursor."""
    if not unit.is_function or isinstance(unit.node, (ast.Module, ast.ClassDef, ast.Lambda)):
        return
    own = _own_names(unit.all_nodes)
    if not unit.in_transaction:
        own |= {"self._cr"} if _is_odoo_like(unit) else {"self", "cls"}
    borrowed = {"env", *_loop_names(unit.all_nodes)} - own if unit.in_transaction else set()
    lent = _lent_names(unit.all_nodes)
    yield from _walk(unit, unit.node.body, None, own, borrowed, lent)


def _is_odoo_like(unit: Unit) -> bool:
    """Whether the class may be one that Odoo gives an ``env``: it has a base class that is not seen here."""
    return unit.owner is not None and bool(unit.owner.bases) and unit.parent is None


def _own_names(nodes: list[ast.AST]) -> set[str]:
    """Names whose cursor the function made itself, such as ``env = api.Environment(cr, ...)``."""
    found: set[str] = set()
    for item in nodes:
        if isinstance(item, ast.Assign) and isinstance(item.value, ast.Call):
            found.update(t.id for t in item.targets if isinstance(t, ast.Name))
        elif isinstance(item, ast.withitem) and chain(item.context_expr) not in _REQUEST:
            found.update([item.optional_vars.id] if isinstance(item.optional_vars, ast.Name) else [])
    return found


def _loop_names(nodes: list[ast.AST]) -> set[str]:
    return {n.target.id for n in nodes if isinstance(n, ast.For) and isinstance(n.target, ast.Name)}


def _lent_names(nodes: list[ast.AST]) -> set[str]:
    """Local names that only ever stand for the request's cursor: ``cr = self.env.cr``."""
    lent: set[str] = set()
    other: set[str] = set()
    for item in nodes:
        if isinstance(item, ast.Assign):
            for target in item.targets:
                if isinstance(target, ast.Name):
                    (lent if chain(item.value) in _REQUEST else other).add(target.id)
    return lent - other


def _walk(
    unit: Unit, body: list[ast.stmt], loop: ast.stmt | None, own: set[str], borrowed: set[str], lent: set[str]
) -> Iterator[RequestCursorUse]:
    for position, statement in enumerate(body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if isinstance(statement, (ast.With, ast.AsyncWith)):
            for item in statement.items:
                if _is_lent(item.context_expr, own, borrowed, lent):
                    yield RequestCursorUse(unit, item.context_expr, "with", loop is not None, False)
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            func = statement.value.func
            acts = isinstance(func, ast.Attribute) and func.attr in ("commit", "rollback", "close")
            if acts and isinstance(func, ast.Attribute) and _is_lent(func.value, own, borrowed, lent):
                ending = ast.Raise if func.attr == "rollback" else (ast.Raise, ast.Return, ast.Break)
                leaves = any(isinstance(later, ending) for later in body[position + 1 :])
                yield RequestCursorUse(unit, statement.value, func.attr, loop is not None, leaves)
        yield from _inside(unit, statement, loop, own, borrowed, lent)


def _inside(
    unit: Unit, statement: ast.stmt, loop: ast.stmt | None, own: set[str], borrowed: set[str], lent: set[str]
) -> Iterator[RequestCursorUse]:
    inner = loop
    if isinstance(statement, (ast.For, ast.AsyncFor)):
        inner = None if _batches(statement.iter) else statement
    elif isinstance(statement, ast.While):
        inner = statement
    elif isinstance(statement, ast.If) and any(isinstance(n, ast.Mod) for n in every_node(statement.test)):
        inner = None  # ``if index % 500 == 0``: a batch, not each record
    for field in ("body", "orelse", "finalbody"):
        part = getattr(statement, field, None)
        if part:
            yield from _walk(unit, part, inner if field == "body" else loop, own, borrowed, lent)
    for handler in getattr(statement, "handlers", None) or []:
        yield from _walk(unit, handler.body, loop, own, borrowed, lent)
    for case in getattr(statement, "cases", None) or []:
        yield from _walk(unit, case.body, loop, own, borrowed, lent)


def _batches(iterated: ast.expr) -> bool:
    """Whether a loop goes over batches: ``range`` with a step, ``split_for_in_conditions``, chunks by name."""
    if not isinstance(iterated, ast.Call):
        text = (chain(iterated) or "").lower()
        return any(word in text for word in ("batch", "chunk", "slice"))
    last = iterated.func.attr if isinstance(iterated.func, ast.Attribute) else getattr(iterated.func, "id", "")
    words = ("split", "batch", "chunk", "slice", "grouper")
    return (last == "range" and len(iterated.args) == 3) or any(word in last.lower() for word in words)


def _is_lent(node: ast.expr, own: set[str], borrowed: set[str], lent: set[str]) -> bool:
    text = chain(node)
    if text is None:
        return False
    head = text.split(".")[0]
    if head in own:
        return False
    if text in ("self._cr", "self.cr", "cls._cr") and "self._cr" in own:
        return False
    return text in _REQUEST or text in lent or (head in borrowed and text.endswith(_ENDS))
