"""The cure of SQL that outlives its transaction, offered only where the whole transaction can be seen.

That is a ``with`` block around a cursor of Odoo's pool that is used for nothing but SQL: it commits once, at its end,
and the connection is reset before anybody else gets it (DISCARD ALL: Odoo 17.0-19.0 odoo/sql_db.py, ConnectionPool
.borrow). There SET and SET LOCAL, or a temporary table with and without ON COMMIT DROP, do the same (PostgreSQL 17
documentation, SET and CREATE TABLE). Anywhere else the change could be noticed, so nothing is offered.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from slotwise.leaks.facts import AddonFacts
from slotwise.leaks.names import chain
from slotwise.leaks.outline import every_node
from slotwise.leaks.resources import CURSOR
from slotwise.leaks.sql_text import SqlUse
from slotwise.leaks.verdicts import Edit

_ONLY_SQL = frozenset(
    {"execute", "executemany", "fetchone", "fetchall", "fetchmany", "dictfetchone", "dictfetchmany", "dictfetchall"}
)
_ENDS_TRANSACTION = frozenset({"commit", "rollback", "abort", "end", "begin", "start", "call", "do", "prepare"})
_SET = re.compile(r"(?P<before>\s*)set\s+(?:session\s+)?(?P<name>[a-z_.]+)(?=\s)", re.IGNORECASE)
_NOT_LOCAL = frozenset({"session", "local", "authorization", "characteristics", "transaction", "constraints"})
_QUOTES = re.compile(r"[rR]?(\"\"\"|'''|\"|')")


def with_local(use: SqlUse, facts: AddonFacts) -> tuple[Edit, ...]:
    """The edit that makes ``SET name ...`` ``SET LOCAL name ...``."""

    def local(sql: str) -> str | None:
        found = _SET.match(sql)
        if found is None or found["name"].lower() in _NOT_LOCAL:
            return None
        return f"{found['before']}SET LOCAL {found['name']}{sql[found.end() :]}"

    return _edited(use, facts, local)


def with_drop(use: SqlUse, facts: AddonFacts) -> tuple[Edit, ...]:
    """The edit that adds ``ON COMMIT DROP`` to ``CREATE TEMP TABLE name (...)``."""

    def dropped(sql: str) -> str | None:
        text = sql.rstrip().removesuffix(";").rstrip()
        if not text.endswith(")") or not re.match(r"\s*create\s", sql, re.IGNORECASE) or "as" in use.words:
            return None
        return f"{text} ON COMMIT DROP{sql[len(text) :]}"

    return _edited(use, facts, dropped)


def _edited(use: SqlUse, facts: AddonFacts, change: Callable[[str], str | None]) -> tuple[Edit, ...]:
    node = use.call.args[0]
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or not _seen_whole(use, facts):
        return ()
    first, last = node.lineno, node.end_lineno or node.lineno
    lines = use.unit.module.lines[first - 1 : last]
    new_value = change(node.value)
    if new_value is None or ";" in node.value.strip().removesuffix(";") or not all(line.isascii() for line in lines):
        return ()
    before, after = lines[0][: node.col_offset], lines[-1][node.end_col_offset :]
    inner = "\n".join(lines)[len(before) : len("\n".join(lines)) - len(after)]
    quotes = _QUOTES.match(inner)
    if quotes is None:
        return ()
    content = change(inner[quotes.end() : -len(quotes[1])])
    literal = f"{quotes[0]}{content}{quotes[1]}"
    try:
        if content is None or ast.literal_eval(literal) != new_value:
            return ()
    except (SyntaxError, ValueError):
        return ()
    return (Edit(first, last, f"{before}{literal}{after}\n"),)


def _seen_whole(use: SqlUse, facts: AddonFacts) -> bool:
    func = use.call.func
    name = chain(func.value) if isinstance(func, ast.Attribute) else None
    opened = {id(item.opening.call) for item in facts.opened if item.opening.kind is CURSOR and item.unit is use.unit}
    for node in use.unit.nodes:
        if not isinstance(node, ast.With) or len(node.items) != 1:
            continue
        item = node.items[0]
        if not isinstance(item.optional_vars, ast.Name) or item.optional_vars.id != name:
            continue
        if id(item.context_expr) in opened and any(inner is use.call for inner in _all_of(node.body)):
            return _only_sql(node.body, name, use, facts)
    return False


def _only_sql(body: list[ast.stmt], name: str, use: SqlUse, facts: AddonFacts) -> bool:
    """Whether the block uses ``name`` for SQL only, and none of the SQL ends the transaction."""
    harmless = set()
    for node in _all_of(body):
        if isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await)):
            return False
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and chain(node.func.value) == name:
            if node.func.attr not in _ONLY_SQL:
                return False
            harmless.add(id(node.func.value))
            if node.func.attr.startswith("execute") and not _known(node, use, facts):
                return False
    return all(id(n) in harmless for n in _all_of(body) if isinstance(n, ast.Name) and n.id == name)


def _known(call: ast.Call, use: SqlUse, facts: AddonFacts) -> bool:
    said = [other for other in facts.statements if other.unit is use.unit and other.call is call]
    literal = bool(call.args) and isinstance(call.args[0], ast.Constant)
    return literal and bool(said) and not any(other.words[0] in _ENDS_TRANSACTION for other in said)


def _all_of(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for statement in body:
        yield from every_node(statement)
