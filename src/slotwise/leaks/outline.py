"""The outline of an addon: its modules, classes and functions, and which function a call means."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property

from slotwise.leaks.names import ADDON, chain, dotted, imports_of
from slotwise.leaks.source import Tokens
from slotwise.leaks.telltales import opens_or_waits

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
ScopeNode = FunctionNode | ast.Module | ast.ClassDef

_MODEL_BASES = ("models.Model", "models.AbstractModel", "models.TransientModel", "models.BaseModel")
_CONTROLLER_BASES = ("http.Controller", "odoo.http.Controller")
_CACHING = ("lru_cache", "cache", "ormcache", "cached_property", "lazy_property", "cached", "ormcache_context")
_MANAGERS = ("contextmanager", "asynccontextmanager")
# Method names so common that a call on an unknown object says nothing about which of them is meant.
_TOO_COMMON = frozenset(
    "connect cursor get open execute read write create search browse close commit run start stop call send load pop "  # noqa: SIM905
    "add update copy unlink default_get name_get setUp tearDown __init__ __enter__ __exit__ action".split()
)


class ClassOutline:
    """A class: its name, the last parts of its base names, its methods, and the role its bases give it."""

    def __init__(self, node: ast.ClassDef, module: ModuleOutline) -> None:
        self.node = node
        self.name = node.name
        self.module = module
        self.methods: dict[str, Unit] = {}
        full = [dotted(base, module.names) or "" for base in node.bases]
        self.bases = [name.rpartition(".")[2] for name in full]
        self.role = _role(full)


class Unit:
    """One body of code that is run as a whole: a function, a lambda, a module body or a class body."""

    def __init__(self, node: ScopeNode, module: ModuleOutline, owner: ClassOutline | None, parent: Unit | None) -> None:
        self.node = node
        self.module = module
        self.owner = owner
        self.parent = parent
        self.children: dict[str, Unit] = {}
        self.name: str = getattr(node, "name", "<lambda>" if isinstance(node, ast.Lambda) else "<module>")
        prefix = f"{parent.qualname}." if parent else (f"{owner.name}." if owner else "")
        self.qualname: str = f"{prefix}{self.name}"
        decorators = getattr(node, "decorator_list", [])
        self.decorators = [_last(decorator) for decorator in decorators]
        self.is_manager = any(name in _MANAGERS for name in self.decorators)
        self.is_fixture = any(name in ("fixture", "yield_fixture") for name in self.decorators)
        self.is_cached = any(name in _CACHING for name in self.decorators)
        self.is_static = "staticmethod" in self.decorators
        self.yields = (
            not isinstance(node, (ast.Module, ast.ClassDef))
            and module.may_yield
            and any(isinstance(item, (ast.Yield, ast.YieldFrom)) for item in self.nodes)
        )

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """What runs as part of this unit (see own_nodes), listed once."""
        return list(own_nodes(self.node))

    @cached_property
    def all_nodes(self) -> list[ast.AST]:
        """Everything beneath this unit, nested functions included, listed once."""
        return list(every_node(self.node))

    @property
    def is_function(self) -> bool:
        """Whether this runs when it is called, and not while the module is imported."""
        return not isinstance(self.node, (ast.Module, ast.ClassDef))

    @property
    def parameters(self) -> list[str]:
        """Names of the positional and keyword parameters in order, ``self`` and ``cls`` included."""
        if isinstance(self.node, (ast.Module, ast.ClassDef)):
            return []
        arguments = self.node.args
        return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]

    @property
    def in_transaction(self) -> bool:
        """Whether Odoo runs this inside the transaction of a request, a cron job or a queue job."""
        return (
            self.owner is not None
            and self.owner.role in ("model", "controller")
            and self.parent is None
            and self.is_function
        )


class ModuleOutline:
    """One parsed file."""

    def __init__(self, path: str, module: str, tree: ast.Module, text: str, addon: str) -> None:
        self.path = path
        self.module = module
        self.tree = tree
        self.text = text
        self._telling: list[str] | None = None
        self._tokens = Tokens(text)
        self._segments: dict[int, str] = {}
        self.may_yield = "yield" in text
        self.lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        is_package = path.endswith("__init__.py")
        self.names = imports_of(tree, module, is_package, addon)
        self.functions: dict[str, Unit] = {}
        self.classes: dict[str, ClassOutline] = {}
        self.units: list[Unit] = []
        self.globals = {
            target.id for statement in tree.body for target in _targets(statement) if isinstance(target, ast.Name)
        }
        parts = module.split(".")
        self.is_test = "tests" in parts or parts[-1].startswith("test_") or parts[-1] == "conftest"
        self.units.append(Unit(tree, self, None, None))
        self._collect(tree.body, None, None)

    def speaks_of(self, text: str) -> bool:
        """Whether ``text``, of this module, names something imported or defined here that a pattern looks for."""
        return self._tokens.may_matter(text) or any(name in text for name in self._telling_names())

    def _telling_names(self) -> list[str]:
        if self._telling is None:
            self._telling = [name for name, full in self.names.items() if opens_or_waits(full) and name != full]
            for outline in (None, *self.classes.values()):
                body = self.tree.body if outline is None else outline.node.body
                for statement in body:
                    targets = [t.id for t in _targets(statement) if isinstance(t, ast.Name)]
                    if targets and self._tokens.may_matter(self.segment(statement)):
                        self._telling += targets
        return self._telling

    def segment(self, node: ast.AST) -> str:
        """The source lines of ``node``, joined."""
        known = self._segments.get(id(node))
        if known is not None:
            return known
        first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", len(self.lines))
        text = self._segments[id(node)] = "\n".join(self.lines[first - 1 : last])
        return text

    def _collect(self, body: list[ast.stmt], owner: ClassOutline | None, parent: Unit | None) -> None:
        for statement in _statements(body):
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                unit = Unit(statement, self, owner, parent)
                self.units.append(unit)
                if parent is not None:
                    parent.children[unit.name] = unit
                elif owner is not None:
                    owner.methods[unit.name] = unit
                else:
                    self.functions[unit.name] = unit
                self._collect(statement.body, owner, unit)
            elif isinstance(statement, ast.ClassDef):
                inner = ClassOutline(statement, self)
                self.classes.setdefault(inner.name, inner)
                self.units.append(Unit(statement, self, inner, None))
                self._collect(statement.body, inner, None)


class AddonOutline:
    """The parsed modules of one addon, with what is needed to follow a call from one to another."""

    def __init__(self, name: str, modules: list[ModuleOutline]) -> None:
        self.name = name
        self.modules = modules
        self.functions: dict[str, Unit] = {}
        self.classes: dict[str, list[ClassOutline]] = {}
        self.methods: dict[str, list[Unit]] = {}
        self.aliases: dict[str, str] = {}
        for module in modules:
            base = f"{ADDON}.{module.module}" if module.module else ADDON
            for name_, unit in module.functions.items():
                self.functions[f"{base}.{name_}"] = unit
            for alias, target in module.names.items():
                self.aliases[f"{base}.{alias}"] = target
            for outline in module.classes.values():
                self.classes.setdefault(outline.name, []).append(outline)
                for method in outline.methods.values():
                    self.methods.setdefault(method.name, []).append(method)
        # What a file imports from a module of its own addon may itself be an alias there.
        for module in modules:
            for alias, target in list(module.names.items()):
                if target.startswith(ADDON) and target in self.aliases:
                    module.names[alias] = self.aliases[target]

    def ancestry(self, outline: ClassOutline) -> list[ClassOutline]:
        """``outline`` and its bases inside the addon, by name, the nearest first."""
        found = [outline]
        for current in found:
            found += [c for base in current.bases for c in self.classes.get(base, ())[:1] if c not in found]
        return found

    def related(self, outline: ClassOutline) -> list[ClassOutline]:
        """``outline`` with its bases and its descendants inside the addon, by name."""
        found = {id(outline): outline}
        queue = [outline]
        while queue:
            current = queue.pop()
            around = [c for base in current.bases for c in self.classes.get(base, [])]
            around += [c for many in self.classes.values() for c in many if current.name in c.bases]
            for candidate in around:
                if id(candidate) not in found:
                    found[id(candidate)] = candidate
                    queue.append(candidate)
        return list(found.values())

    def called(self, call: ast.Call, unit: Unit) -> Unit | None:
        """The function of this addon that ``call`` in ``unit`` means, or None."""
        return self.named(call.func, unit)

    def named(self, func: ast.expr, unit: Unit) -> Unit | None:
        """The function of this addon that the expression ``func`` in ``unit`` names, or None."""
        if isinstance(func, ast.Name):
            scope: Unit | None = unit
            while scope is not None:
                if func.id in scope.children:
                    return scope.children[func.id]
                scope = scope.parent
            local = unit.module.functions.get(func.id)
            if local is not None:
                return local
        name = dotted(func, unit.module.names)
        if name is not None and name.startswith(ADDON):
            return self.functions.get(name)
        if isinstance(func, ast.Attribute):
            return self._method(func, unit)
        return None

    def class_of(self, call: ast.Call, unit: Unit) -> ClassOutline | None:
        """The class of this addon that ``call`` makes an instance of, or None."""
        name = dotted(call.func, unit.module.names)
        if name is None:
            return None
        last = name.rpartition(".")[2]
        candidates = self.classes.get(last, [])
        if name == last:
            candidates = [c for c in candidates if c.module is unit.module]
        elif not name.startswith(ADDON):
            return None
        return candidates[0] if candidates else None

    def _method(self, func: ast.Attribute, unit: Unit) -> Unit | None:
        receiver = func.value
        own = isinstance(receiver, ast.Name) and receiver.id in ("self", "cls")
        if own and unit.owner is not None:
            for outline in self.related(unit.owner):
                if func.attr in outline.methods:
                    return outline.methods[func.attr]
        candidates = self.methods.get(func.attr, [])
        if len(candidates) == 1 and (own or func.attr not in _TOO_COMMON):
            return candidates[0]
        return None


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Every node beneath ``node`` that runs as part of it: what nested functions and classes hold is left out."""
    stack = children(node)
    while stack:
        item = stack.pop()
        if item.__class__ in _NESTED:
            continue
        yield item
        stack.extend(children(item))


_NESTED = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef})


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right beneath ``node`` that mean something by themselves: contexts, imported names and most operators
    do not. Several times quicker than ast.iter_child_nodes, which asks each field of each node what it is."""
    kind = node.__class__
    fields = _FIELDS.get(kind)
    if fields is None:
        fields = _FIELDS[kind] = _fields_of(kind)
    found: list[ast.AST] = []
    for field in fields:
        value = getattr(node, field, None)
        if value.__class__ is not list:
            if value is not None:
                found.append(value)
        elif None in value:  # the key of ``**mapping``, a keyword parameter without a default
            found += [item for item in value if item is not None]
        else:
            found += value
    return found


# For each kind of node: its fields that hold nodes. Filled as kinds are met.
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {}
_NO_NODES = frozenset(
    "arg asname attr conversion ctx id is_async kind kwd_attrs level module name names op ops rest simple tag "  # noqa: SIM905
    "type_comment type_ignores".split()
)


def _fields_of(kind: type[ast.AST]) -> tuple[str, ...]:
    if kind in (ast.Constant, ast.MatchSingleton):
        return ()
    if kind in (ast.BinOp, ast.AugAssign) or kind.__name__ == "TypeAlias":
        return kind._fields
    return tuple(field for field in kind._fields if field not in _NO_NODES)


def every_node(node: ast.AST) -> Iterator[ast.AST]:
    """``node`` and everything beneath it, in no particular order."""
    stack = [node]
    while stack:
        item = stack.pop()
        yield item
        stack.extend(children(item))


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# The statements that hold no other ones are most of them.
_SIMPLE = frozenset(
    {
        ast.Expr,
        ast.Assign,
        ast.AugAssign,
        ast.AnnAssign,
        ast.Return,
        ast.Import,
        ast.ImportFrom,
        ast.Raise,
        ast.Pass,
        ast.Break,
        ast.Continue,
        ast.Assert,
        ast.Delete,
        ast.Global,
        ast.Nonlocal,
    }
)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """``body`` with the statements inside its compound statements, but not inside functions and classes."""
    stack = body[::-1]
    while stack:
        statement = stack.pop()
        yield statement
        if statement.__class__ in _SIMPLE or isinstance(statement, _DEFINITIONS):
            continue
        for field in ("body", "orelse", "finalbody"):
            stack.extend(reversed(getattr(statement, field, None) or []))
        for handler in getattr(statement, "handlers", None) or []:
            stack.extend(reversed(handler.body))
        for case in getattr(statement, "cases", None) or []:
            stack.extend(reversed(case.body))


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    if isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        return [statement.target]
    return []


def _last(decorator: ast.expr) -> str:
    inner = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (chain(inner) or "").rpartition(".")[2]


def _role(bases: list[str]) -> str:
    for name in bases:
        if name.endswith(_MODEL_BASES) or name in ("Model", "AbstractModel", "TransientModel"):
            return "model"
        if name.endswith(_CONTROLLER_BASES) or name.endswith("Controller"):
            return "controller"
        if name.endswith(("TestCase", "TransactionCase", "HttpCase", "SavepointCase", "SingleTransactionCase")):
            return "test"
    return ""
