"""What a nested function or lambda does with the connections of the function around it."""

from __future__ import annotations

import ast
from collections.abc import Iterable

import msgspec

from slotwise.leaks.names import chain
from slotwise.leaks.outline import children, every_node

#: Every method that gives something back, whatever its kind (see resources.Kind.releases).
RELEASES = frozenset({"close", "dispose", "closeall", "terminate", "disconnect", "invalidate", "remove"})


class Nested(msgspec.Struct, frozen=True):
    """What a nested function or lambda does with the names around it: ``releases`` are given back by a method,
    ``entered`` by a ``with`` (which closes only some kinds), ``uses`` are read. Its own names are none of them."""

    releases: frozenset[str]
    entered: frozenset[str]
    uses: frozenset[str]

    def gives_back(self, name: str, with_releases: bool) -> bool:
        """Whether it gives back what the dotted ``name`` holds; ``with_releases``: a ``with`` closes that kind."""
        return name in self.releases or (with_releases and name in self.entered)


def nested(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Nested:
    """What the function ``node`` does with the names of the functions around it.

    A name that it binds itself is another variable (Python reference, 4.2.2), so that closing it closes nothing of
    the outer one.
    """
    mine: list[ast.AST] = []
    inner: list[Nested] = []
    stack: list[ast.AST] = list(node.body) if isinstance(node.body, list) else [node.body]
    while stack:
        item = stack.pop()
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            inner.append(nested(item))
        else:
            mine.append(item)
            stack.extend(children(item))
    arguments = node.args
    own = {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    own.update(a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None)
    own.update(item.id for item in mine if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store))
    shared = {name for item in mine if isinstance(item, (ast.Global, ast.Nonlocal)) for name in item.names}
    own -= shared
    return Nested(
        _free(_released(mine), [n.releases for n in inner], own),
        _free(_entered(mine), [n.entered for n in inner], own),
        _free(_used(mine), [n.uses for n in inner], own),
    )


def _free(found: set[str], inner: list[frozenset[str]], own: set[str]) -> frozenset[str]:
    every = found.union(*inner)
    return frozenset(name for name in every if name.partition(".")[0] not in own)


def _released(nodes: Iterable[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr in RELEASES:
            text = chain(node.value)
            if text is not None:
                found.add(text)
        elif isinstance(node, ast.Call) and _takes_over(node.func):
            found.update(text for text in map(chain, node.args) if text is not None)
    return found


def _entered(nodes: Iterable[ast.AST]) -> set[str]:
    return {
        text
        for node in nodes
        if isinstance(node, (ast.With, ast.AsyncWith))
        for item in node.items
        if (text := chain(item.context_expr)) is not None
    }


def _used(nodes: Iterable[ast.AST]) -> set[str]:
    texts = (chain(node) for node in nodes if isinstance(node, (ast.Name, ast.Attribute)))
    return {text for text in texts if text is not None}


def released_in(nodes: Iterable[ast.AST], *, by_with: bool = True) -> set[str]:
    """Dotted names that are given back anywhere beneath ``nodes``: by a method, or (``by_with``) by a ``with``."""
    every = [node for top in nodes for node in every_node(top)]
    return _released(every) | (_entered(every) if by_with else set())


def closes_attribute(function: Iterable[ast.AST], attribute: str, of: str, *, by_with: bool = True) -> bool:
    """Whether a function, whose nodes are ``function``, gives back what is kept under ``attribute``.

    It does when a releasing method is called on an expression that reads the attribute, or on a local name that took
    its value from one (``for c in self._conns: c.close()``), and when it enters or hands over the attribute itself.
    ``of`` says whose attribute is meant: "self" (also ``cls``), "other" (any object but those), or "module" (a plain
    name, or an attribute of one). ``by_with``: leaving a ``with`` on it gives it back.
    """
    takers: set[str] = set()
    for node in function:
        source: ast.expr | None = None
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            source, targets = node.value, node.targets
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            source, targets = node.iter, [node.target]
        elif isinstance(node, ast.NamedExpr):
            source, targets = node.value, [node.target]
        elif isinstance(node, ast.withitem):
            if by_with and chain(node.context_expr) is not None and _reads(node.context_expr, attribute, of):
                return True
            source, targets = node.context_expr, [node.optional_vars] if node.optional_vars else []
        if source is not None and _reads(source, attribute, of):
            for target in targets:
                takers.update(n.id for n in every_node(target) if isinstance(n, ast.Name))
    for node in function:
        if isinstance(node, ast.Attribute) and node.attr in RELEASES and _given_back(node.value, attribute, takers, of):
            return True
        if isinstance(node, ast.Call) and _takes_over(node.func):
            arguments = [*node.args, *(k.value for k in node.keywords)]
            if any(_given_back(a, attribute, takers, of) for a in arguments if not isinstance(a, ast.Call)):
                return True
    return False


def _takes_over(func: ast.expr) -> bool:
    last = (chain(func) or "").rpartition(".")[2]
    return last in ("closing", "aclosing", "putconn", "release", "give_back", "enter_context", "enterContext", "push")


def _given_back(node: ast.expr, attribute: str, takers: set[str], of: str) -> bool:
    text = chain(node)
    if text is not None and text.partition(".")[0] in takers:  # the thing itself, or ``env.cr`` of what holds it
        return True
    return _reads(node, attribute, of)


_MAKING_CURSORS = frozenset({"cursor", "execute", "xact", "transaction"})


def _reads(node: ast.expr, attribute: str, of: str) -> bool:
    stack: list[ast.AST] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, ast.Call) and isinstance(item.func, ast.Attribute) and item.func.attr in _MAKING_CURSORS:
            continue  # closing a cursor of it leaves the connection open
        stack.extend(children(item))
        if isinstance(item, ast.Attribute) and item.attr == attribute and of != "module":
            root = chain(item.value)
            own = root in ("self", "cls") or (root is None and isinstance(item.value, ast.Call))
            if own == (of == "self"):
                return True
        if isinstance(item, ast.Name) and item.id == attribute and of == "module":
            return True
    return False
