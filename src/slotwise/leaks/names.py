"""Names: what an expression is called once imports and plain aliases are followed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

#: Prefix of dotted names that live in the addon itself: ``@.tools.database.open_external``.
ADDON = "@"


def chain(node: ast.expr) -> str | None:
    """``self.env.cr`` for such an expression, also through ``x['key']``; None when a call or anything else is in it."""
    if node.__class__ is ast.Name:  # most of all that is asked
        return node.id
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            parts.append(f"[{node.slice.value!r}]")
            node = node.value
        elif isinstance(node, ast.Name):
            parts.append(node.id)
            return ".".join(reversed(parts))
        else:
            return None


def imports_of(tree: ast.Module, module: str, is_package: bool, addon: str) -> dict[str, str]:
    """Local name -> dotted name for every import of the file, wherever it stands, and for plain module aliases.

    Relative imports and ``odoo.addons.<addon>`` become names under :data:`ADDON`.
    """
    found: dict[str, str] = {}
    for node in _import_statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    found[alias.asname] = alias.name
                else:
                    found.setdefault(alias.name.split(".")[0], alias.name.split(".")[0])
        else:
            base = _base(node, module, is_package, addon)
            for alias in node.names:
                found[alias.asname or alias.name] = f"{base}.{alias.name}"
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            called = called_later(statement.value)
            called = None if isinstance(called, ast.Name) else called
            named = dotted(called, found) if called is not None else None
            if isinstance(target, ast.Name) and named is not None and "." in named:
                found[target.id] = named
    return found


# Statements that hold no other ones: most of them.
_SIMPLE = frozenset({ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Raise, ast.Pass, ast.Assert})


def _import_statements(tree: ast.Module) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import of the file. Expressions are not entered: that is most of the tree."""
    stack: list[ast.AST] = list(reversed(tree.body))
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
            continue
        if node.__class__ in _SIMPLE:
            continue
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            stack.extend(getattr(node, field, None) or ())


def called_later(value: ast.expr) -> ast.expr | None:
    """The callable in ``connect = psycopg2.connect`` and in ``functools.partial(psycopg2.connect, ...)``."""
    if isinstance(value, (ast.Attribute, ast.Name)):
        return value
    if isinstance(value, ast.Call) and value.args:
        name = chain(value.func)
        if name in ("functools.partial", "partial"):
            return value.args[0]
    return None


def _base(node: ast.ImportFrom, module: str, is_package: bool, addon: str) -> str:
    if node.level:
        parts = module.split(".") if module else []
        drop = node.level - 1 if is_package else node.level
        parts = parts[: len(parts) - drop] if drop else parts
        return ".".join([ADDON, *parts, *((node.module or "").split(".") if node.module else [])])
    name = node.module or ""
    own = f"odoo.addons.{addon}"
    if addon and (name == own or name.startswith(own + ".")):
        return ADDON + name[len(own) :]
    return name


def dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """The full dotted name of ``node``, or None when it is not a plain chain of names."""
    text = chain(node)
    if text is None:
        return None
    head, _, rest = text.partition(".")
    full = names.get(head, head)
    return f"{full}.{rest}" if rest else full
