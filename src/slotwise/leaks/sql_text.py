"""SQL in Python: what text reaches ``execute``, and which of its statements live longer than a transaction.

The text is put together from literals, f-strings, concatenations, ``%``, ``.format``, ``SQL(...)`` and constants of
the function, the class or the module; what is not known becomes ``?``. The reader below splits PostgreSQL's lexical
forms (quotes, dollar quotes, nested comments: PostgreSQL 17 documentation, section 4.1) and looks at keywords only.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import msgspec

from slotwise.leaks.names import chain
from slotwise.leaks.outline import Unit

UNKNOWN_PART = " ? "

_EXECUTING = frozenset({"execute", "executemany", "execute_query", "execute_query_dict", "exec_driver_sql", "fetch"})
_EXECUTING |= frozenset({"fetchval", "fetchrow", "copy_expert", "execute_values"})
_BUILDERS = frozenset({"SQL", "text", "Composed", "DDL"})
_LEXEME = re.compile(
    r"""--[^\n]*|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?P=tag)?\$|[A-Za-z_][\w$]*|[;(),?=*]|%\S""",
    re.DOTALL,
)


class SqlUse(msgspec.Struct, frozen=True):
    """One statement that a call sends: its keywords and names in lower case, the literals among them dropped."""

    unit: Unit
    call: ast.Call
    words: tuple[str, ...]
    text: str


def statements_of(unit: Unit) -> Iterator[SqlUse]:
    """Every SQL statement that ``unit`` sends and whose text can be known."""
    local: dict[str, ast.expr] = {}
    turns: dict[str, list[ast.expr]] = {}
    for node in sorted(unit.nodes, key=lambda n: (getattr(n, "lineno", 0), getattr(n, "col_offset", 0))):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            local[node.targets[0].id] = node.value
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.target, ast.Name):
            before = local.get(node.target.id)
            if before is not None:
                local[node.target.id] = ast.copy_location(ast.BinOp(before, ast.Add(), node.value), node)
        elif isinstance(node, (ast.For, ast.AsyncFor)) and isinstance(node.target, ast.Name):
            series = local.get(node.iter.id, node.iter) if isinstance(node.iter, ast.Name) else node.iter
            turns[node.target.id] = list(series.elts) if isinstance(series, (ast.List, ast.Tuple, ast.Set)) else []
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr not in _EXECUTING or not node.args:
            continue
        sent = node.args[0]
        for expression in turns.get(sent.id, [sent]) if isinstance(sent, ast.Name) else [sent]:
            text = sql_of(expression, unit, local)
            if text is not None:
                for words in split(text):
                    yield SqlUse(unit, node, words, text)


def sql_of(node: ast.expr, unit: Unit, local: dict[str, ast.expr], depth: int = 0) -> str | None:
    """The SQL text of an expression, unknown parts as ``?``; None when nothing of it is known."""
    if depth > 20:
        return None
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_part(part, unit, local, depth) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left = sql_of(node.left, unit, local, depth + 1)
        right = sql_of(node.right, unit, local, depth + 1)
        return None if left is None and right is None else (left or UNKNOWN_PART) + (right or UNKNOWN_PART)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        template = sql_of(node.left, unit, local, depth + 1)
        return _filled(template, node.right, unit, local, depth)
    if isinstance(node, ast.IfExp):
        return sql_of(node.body, unit, local, depth + 1)
    if isinstance(node, ast.Call):
        return _of_call(node, unit, local, depth)
    if isinstance(node, ast.Name) and node.id in local:
        rest = {name: value for name, value in local.items() if name != node.id}
        return sql_of(local[node.id], unit, rest, depth + 1)
    constant = _constant(node, unit)
    return sql_of(constant, unit, {}, depth + 1) if constant is not None else None


def _part(node: ast.expr, unit: Unit, local: dict[str, ast.expr], depth: int) -> str:
    """One piece of an f-string."""
    if isinstance(node, ast.FormattedValue):
        return sql_of(node.value, unit, local, depth + 1) or UNKNOWN_PART
    return str(node.value) if isinstance(node, ast.Constant) else UNKNOWN_PART


def _filled(template: str | None, values: ast.expr, unit: Unit, local: dict[str, ast.expr], depth: int) -> str | None:
    """``template % values`` where the values are known text; a ``%s`` whose value is not stays as it is."""
    if template is None:
        return None
    parts = list(values.elts) if isinstance(values, ast.Tuple) else [values]
    for part in parts:
        known = sql_of(part, unit, local, depth + 1)
        template = template.replace("%s", known if known is not None else UNKNOWN_PART, 1)
    return template


def _of_call(node: ast.Call, unit: Unit, local: dict[str, ast.expr], depth: int) -> str | None:
    last = (chain(node.func) or "").rpartition(".")[2]
    if isinstance(node.func, ast.Attribute):
        last = node.func.attr
        if last in ("format", "strip", "replace"):
            text = sql_of(node.func.value, unit, local, depth + 1)
            return re.sub(r"\{[^{}]*\}", UNKNOWN_PART, text) if text is not None and last == "format" else text
        if last == "join" and node.args and isinstance(node.args[0], (ast.List, ast.Tuple)):
            glue = sql_of(node.func.value, unit, local, depth + 1) or " "
            return glue.join(sql_of(part, unit, local, depth + 1) or UNKNOWN_PART for part in node.args[0].elts)
    if last in (*_BUILDERS, "dedent", "cleandoc") and node.args:
        return sql_of(node.args[0], unit, local, depth + 1)
    return None


def _constant(node: ast.expr, unit: Unit) -> ast.expr | None:
    """The expression that a module or class constant was last given."""
    text = chain(node)
    if text is None:
        return None
    head, _, rest = text.partition(".")
    body: list[ast.stmt] = []
    if not rest:
        body, wanted = unit.module.tree.body, head
    elif head in ("self", "cls") and unit.owner is not None and "." not in rest:
        body, wanted = unit.owner.node.body, rest
    else:
        return None
    found = None
    for statement in body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name) and target.id == wanted:
                    found = statement.value
    return found


def split(text: str) -> list[tuple[str, ...]]:
    """The statements of ``text`` as lower-case words; comments, quoted text and dollar-quoted bodies become ``''``."""
    statements: list[tuple[str, ...]] = []
    words: list[str] = []
    for found in _LEXEME.finditer(_without_comments(text)):
        lexeme = found[0]
        if lexeme == ";":
            if words:
                statements.append(tuple(words))
            words = []
        elif lexeme.startswith("--"):
            continue
        elif lexeme[0] in "'$":
            words.append("''")
        elif lexeme[0] == '"':
            words.append(lexeme[1:-1] or "?")
        else:
            words.append(lexeme.lower())
    if words:
        statements.append(tuple(words))
    return statements


def _without_comments(text: str) -> str:
    """``text`` with its block comments, which nest in PostgreSQL, replaced by a space."""
    out: list[str] = []
    depth = start = position = 0
    while True:
        opened, ended = text.find("/*", position), text.find("*/", position)
        if opened >= 0 and (ended < 0 or opened < ended or not depth):
            if not depth:
                out.append(text[start:opened])
            depth, position = depth + 1, opened + 2
        elif depth and ended >= 0:
            depth, position = depth - 1, ended + 2
            start = position
        else:
            return " ".join([*out, "" if depth else text[start:]])
