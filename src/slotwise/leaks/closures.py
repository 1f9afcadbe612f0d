"""What a nested function or lambda does with the connections of the function around it."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from slotwise.leaks.names import chain
from slotwise.leaks.outline import every_node

#: Every method that gives something back, whatever its kind (see resources.Kind.releases).
RELEASES = frozenset({"close", "dispose", "closeall", "terminate", "disconnect", "invalidate", "remove"})


def released_in(nodes: Iterable[ast.AST]) -> set[str]:
    """Dotted names on which a releasing method is called, or named, anywhere beneath ``nodes``."""
    found: set[str] = set()
    for top in nodes:
        for node in every_node(top):
            if isinstance(node, ast.Attribute) and node.attr in RELEASES:
                text = chain(node.value)
                if text is not None:
                    found.add(text)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr in ("putconn", "release"):
                    found.update(text for text in map(chain, node.args) if text is not None)
            elif isinstance(node, (ast.With, ast.AsyncWith)):
                found.update(text for item in node.items if (text := chain(item.context_expr)) is not None)
    return found


def used_in(nodes: Iterable[ast.AST]) -> set[str]:
    """Every dotted name that is read beneath ``nodes``, with all its prefixes."""
    found: set[str] = set()
    for top in nodes:
        for node in every_node(top):
            if isinstance(node, (ast.Name, ast.Attribute)):
                text = chain(node)
                if text is not None:
                    found.add(text)
    return found


def closes_attribute(function: ast.AST, attribute: str, of: str) -> bool:
    """Whether ``function`` gives back what is kept under ``attribute``.

    It does when a releasing method is called on an expression that reads the attribute, or on a local name that took
    its value from one (``for c in self._conns: c.close()``), and when it enters or hands over the attribute itself.
    ``of`` says whose attribute is meant: "self" (also ``cls``), "other" (any object but those), or "module" (a plain
    name, or an attribute of one).
    """
    takers: set[str] = set()
    for node in every_node(function):
        source: ast.expr | None = None
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            source, targets = node.value, node.targets
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            source, targets = node.iter, [node.target]
        elif isinstance(node, ast.NamedExpr):
            source, targets = node.value, [node.target]
        elif isinstance(node, ast.withitem):
            if chain(node.context_expr) is not None and _reads(node.context_expr, attribute, of):
                return True
            source, targets = node.context_expr, [node.optional_vars] if node.optional_vars else []
        if source is not None and _reads(source, attribute, of):
            for target in targets:
                takers.update(n.id for n in every_node(target) if isinstance(n, ast.Name))
    for node in every_node(function):
        if isinstance(node, ast.Attribute) and node.attr in RELEASES and _given_back(node.value, attribute, takers, of):
            return True
        if isinstance(node, ast.Call) and _takes_over(node.func):
            arguments = [*node.args, *(k.value for k in node.keywords)]
            if any(_given_back(a, attribute, takers, of) for a in arguments if not isinstance(a, ast.Call)):
                return True
    return False


def _takes_over(func: ast.expr) -> bool:
    last = (chain(func) or "").rpartition(".")[2]
    return last in ("closing", "aclosing", "putconn", "release", "enter_context", "enterContext", "push")


def _given_back(node: ast.expr, attribute: str, takers: set[str], of: str) -> bool:
    if isinstance(node, ast.Name) and node.id in takers:
        return True
    return _reads(node, attribute, of)


def _reads(node: ast.expr, attribute: str, of: str) -> bool:
    for item in every_node(node):
        if isinstance(item, ast.Attribute) and item.attr == attribute and of != "module":
            root = chain(item.value)
            own = root in ("self", "cls") or (root is None and isinstance(item.value, ast.Call))
            if own == (of == "self"):
                return True
        if isinstance(item, ast.Name) and item.id == attribute and of == "module":
            return True
    return False
