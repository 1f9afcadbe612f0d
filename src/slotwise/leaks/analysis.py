"""Runs the functions of one addon, each once, and says of everything they open what becomes of it."""

from __future__ import annotations

import ast
import re

from slotwise.leaks.closures import RELEASES, closes_attribute, released_in
from slotwise.leaks.flow import Walk
from slotwise.leaks.held import SlowCall
from slotwise.leaks.outline import AddonOutline, ClassOutline, ModuleOutline, Unit, own_nodes
from slotwise.leaks.owners import owner_kind
from slotwise.leaks.resources import CURSOR, ENGINE, Kind, Meanings, names_other_database
from slotwise.leaks.state import OPEN, Opened, Opening, State
from slotwise.leaks.tracking import MOST_STEPS, Handout, TooComplex

_PARAMETER = Kind("parameter", "parameter", RELEASES, True)
_OTHER_DRIVERS = frozenset({"pymssql", "pyodbc", "MySQLdb", "pymysql", "cx_Oracle", "oracledb", "hdbcli", "fdb"})
_MOCKED = re.compile(r"patch(?:\.object)?\([^)]*(?:db_connect|cursor|connect|registry)", re.IGNORECASE)
# In test mode every cursor of a registry is a TestCursor on the one connection of the test, and HttpCase is always in
# it: Odoo 17.0 and 18.0 odoo/modules/registry.py enter_test_mode, 19.0 odoo/tests/common.py enter_registry_test_mode.
_TEST_MODE = re.compile(r"enter_(?:registry_)?test_mode")
_BEFORE_FORK = frozenset({"_register_hook", "post_load", "_post_load", "post_load_hook", "_auto_init"})

#: Wrappers of wrappers deeper than this are not followed.
_DEEPEST_CALL_CHAIN = 40
#: What a file may take grows with its lines, so that many ordinary functions are all followed.
_MOST_STEPS_A_LINE = 20

#: Ways out of a function, in the order in which one is chosen to be shown.
WAYS_OUT = ("end", "return", "raise", "exception")


class UnitFacts:
    """What one run of one function showed."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.openings: list[Opening] = []
        self.ways: dict[Opened, dict[str, ast.AST]] = {}
        self.slow: list[tuple[ast.Call, SlowCall, bool]] = []
        self.request_threads: list[ast.Call] = []
        self.too_complex = False


class Analysis:
    """The facts of one addon, worked out when they are asked for and kept."""

    def __init__(self, addon: AddonOutline, wrappers: frozenset[str]) -> None:
        self.addon = addon
        self.wrappers = wrappers
        self._facts: dict[int, UnitFacts] = {}
        self._closes: dict[int, frozenset[str]] = {}
        self._taken: dict[int, int] = {}
        self._relevant: dict[int, bool] = {}
        self._running: set[int] = set()
        self._handouts: dict[int, Handout | None] = {}
        self._owners: dict[int, Kind | None] = {}

    def knowing(self, wrappers: frozenset[str]) -> Analysis:
        """The analysis of the same files that knows more wrappers: what does not name a new one stays as it is."""
        following = Analysis(self.addon, wrappers)
        following._taken = self._taken
        new = wrappers - self.wrappers
        for module in self.addon.modules:
            if not any(name in module.text for name in new):
                kept = module.units
            else:
                kept = [u for u in module.units if not any(name in module.segment(u.node) for name in new)]
                kept += [u for u in module.units if id(u) in self._facts and self._facts[id(u)].too_complex]
            for unit in kept:
                if id(unit) in self._facts:
                    following._facts[id(unit)] = self._facts[id(unit)]
                    following._handouts[id(unit)] = self._handouts.get(id(unit))
        return following

    def kept_names(self) -> frozenset[str]:
        """Attributes and globals under which something opened is kept, as far as functions have been followed."""
        openings = (opening for facts in self._facts.values() for opening in facts.openings)
        return frozenset(o.kept.name for o in openings if o.kept is not None and o.kept.how not in ("closure", "cache"))

    def handout(self, unit: Unit) -> Handout | None:
        """What ``unit`` hands out open to its caller. A recursive call learns nothing of itself."""
        if id(unit) in self._running or not unit.is_function or not self.relevant(unit):
            return None
        self.facts(unit)
        return self._handouts.get(id(unit))

    def closes(self, unit: Unit) -> frozenset[str]:
        """The parameters that ``unit`` gives back for its caller."""
        return frozenset() if id(unit) in self._running else self._closed_parameters(unit)

    def owner(self, outline: ClassOutline) -> Kind | None:
        """What making an instance of ``outline`` opens, or None: its ``__init__`` (or that of a base) opens nothing."""
        if id(outline) in self._owners:
            return self._owners[id(outline)]
        self._owners[id(outline)] = None  # what a recursive question learns
        family = self.addon.ancestry(outline)
        start = next((c.methods["__init__"] for c in family if "__init__" in c.methods), None)
        if start is not None and not outline.role and id(start) not in self._running and self.relevant(start):
            facts = self.facts(start)
            held = [o for o in facts.openings if "end" in facts.ways.get(o.key, {}) or o.kept is not None]
            methods = {name: unit for c in reversed(family) for name, unit in c.methods.items()}
            self._owners[id(outline)] = owner_kind(outline, methods, [o for o in held if not o.given_back])
        return self._owners[id(outline)]

    def relevant(self, unit: Unit) -> bool:
        """Whether ``unit`` may hold something of interest: it names something that opens, waits or speaks SQL."""
        known = self._relevant.get(id(unit))
        if known is None:
            text = unit.module.segment(unit.node)
            known = unit.module.speaks_of(text) or any(name in text for name in self.wrappers)
            self._relevant[id(unit)] = known
        return known

    def facts(self, unit: Unit) -> UnitFacts:
        """What becomes of everything that ``unit`` opens."""
        known = self._facts.get(id(unit))
        if known is not None:
            return known
        facts = UnitFacts(unit)
        self._running.add(id(unit))
        walk = self._walk(unit)
        try:
            ways = walk.run(State({}, {}, {}))
        except (TooComplex, RecursionError):
            facts.too_complex = True
        else:
            facts.openings = list(walk.openings.values())
            for way in WAYS_OUT:
                for state, origin in ways[way].items():
                    for key, status in state.status.items():
                        if status == OPEN:
                            facts.ways.setdefault(key, {}).setdefault(way, origin)
            facts.slow = list(walk.slow.values())
            facts.request_threads = list(walk.request_threads.values())
            self._handouts[id(unit)] = walk.handout
        self._running.discard(id(unit))
        self._facts[id(unit)] = facts
        self._taken[id(unit.module)] = self._taken.get(id(unit.module), 0) + walk.steps
        return facts

    def _walk(self, unit: Unit) -> Walk:
        """A run of ``unit`` that may take what its function, and its file, have left."""
        walk = Walk(unit, self.addon, self, self._meanings(unit))
        of_file = MOST_STEPS + _MOST_STEPS_A_LINE * len(unit.module.lines) - self._taken.get(id(unit.module), 0)
        walk.most_steps = min(MOST_STEPS, max(of_file, _MOST_STEPS_A_LINE * 50))
        return walk

    def _closed_parameters(self, unit: Unit) -> frozenset[str]:
        """Parameters that are given back on every normal way out of ``unit``."""
        known = self._closes.get(id(unit))
        if known is not None:
            return known
        self._closes[id(unit)] = frozenset()
        if isinstance(unit.node, (ast.Module, ast.ClassDef)):
            return frozenset()
        body = unit.node.body if isinstance(unit.node.body, list) else [unit.node.body]
        names = [name for name in unit.parameters if name in released_in(body) and name not in ("self", "cls")]
        names += [name for name in unit.parameters if name not in names and _passed_on(unit.node, name)]
        if not names or len(self._running) > _DEEPEST_CALL_CHAIN:
            return frozenset()
        walk = self._walk(unit)
        bound, status = {}, {}
        for position, name in enumerate(names):
            key = (-1 - position, 0)
            walk.openings[key] = Opening(key, _PARAMETER, unit.node, None, None)
            bound[name], status[key] = frozenset({key}), OPEN
        self._running.add(id(unit))
        try:
            ways = walk.run(State(bound, status, {}))
        except (TooComplex, RecursionError):
            return frozenset()
        finally:
            self._running.discard(id(unit))
            self._taken[id(unit.module)] = self._taken.get(id(unit.module), 0) + walk.steps
        left = [state for way in ("end", "return") for state in ways[way]]
        closed = frozenset(n for n in names if left and not any(s.any_open(bound[n]) for s in left))
        self._closes[id(unit)] = closed
        return closed

    def _meanings(self, unit: Unit) -> Meanings:
        names = unit.module.names
        meanings = Meanings(names, set(), set(), set(), set(), self._other_database(unit))
        scopes: list[ast.AST] = []
        scope = unit.parent
        while scope is not None:
            scopes.append(scope.node)
            scope = scope.parent
        for statement in unit.module.tree.body:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target = statement.targets[0]
                if isinstance(target, ast.Name):
                    meanings.note(target.id, statement.value)
        for node in scopes:
            for inner in own_nodes(node):
                if isinstance(inner, ast.Assign) and len(inner.targets) == 1 and isinstance(inner.targets[0], ast.Name):
                    meanings.note(inner.targets[0].id, inner.value)
        return meanings

    def _other_database(self, unit: Unit) -> bool:
        imported = {name.split(".")[0] for name in unit.module.names.values()}
        return bool(imported & _OTHER_DRIVERS) or names_other_database(f"{unit.module.path} {unit.qualname}")

    # ------------------------------------------------------------------ what becomes of an opening

    def fate(self, facts: UnitFacts, opening: Opening) -> str:
        """One word for what becomes of ``opening``.

        ``fine``; ``never`` given back; only on ``success``; only on some ``branches``; ``lost`` by reassignment;
        ``kept`` for as long as something else lives; held by a ``thread``; by a ``suspended`` generator; opened
        ``before fork``; or ``unknown``.
        """
        unit = facts.unit
        if unit.module.is_test and _is_stand_in(unit, opening.kind):
            return "fine"
        ways = facts.ways.get(opening.key, {})
        early = self._before_fork(unit, opening)
        if opening.managed and not ways:
            return self._suspended(unit, opening) if opening.yield_line is not None else "fine"
        if opening.kept is not None:
            return self._kept(unit, opening, ways, early)
        if early and ways:
            return "fine" if opening.kind is ENGINE else "before fork"
        if opening.thread_line is not None and not opening.closed:
            return "thread" if opening.thread_known else "unknown"
        if opening.yield_line is not None and ways:
            return "suspended"
        return self._path_fate(opening, ways)

    def _path_fate(self, opening: Opening, ways: dict[str, ast.AST]) -> str:
        if not ways:
            if opening.lost_line is not None:
                return "lost"
            return "unknown" if opening.unknown_line is not None and not opening.closed else "fine"
        if not opening.closed:
            if opening.unknown_line is not None:
                return "unknown"
            return "lost" if opening.replaced else "never"
        if opening.lost_line is not None:
            return "lost"
        return "branches" if set(ways) - {"exception"} else "success"

    def _before_fork(self, unit: Unit, opening: Opening) -> bool:
        if unit.name in _BEFORE_FORK and unit.parent is None:
            return opening.kept is not None
        return not unit.is_function and not _in_main_guard(unit, opening.call)

    def _kept(self, unit: Unit, opening: Opening, ways: dict[str, ast.AST], early: bool) -> str:
        kept = opening.kept
        assert kept is not None
        if opening.kind is ENGINE and (kept.how not in ("closure", "cache") or _once_a_process(unit, kept.how)):
            return "fine"
        if early:
            return "before fork"
        if kept.how in ("closure", "cache"):
            return "kept"
        if self._given_back_elsewhere(unit, opening.kind, kept.how, kept.name):
            return "fine"
        if opening.given_back and kept.how in ("self", "class"):
            return self._path_fate(opening, ways)
        return "kept"

    def _given_back_elsewhere(self, unit: Unit, kind: Kind, how: str, name: str) -> bool:
        """Whether another function of the addon gives back what ``unit`` keeps under ``name``."""
        own = self.addon.related(unit.owner) if unit.owner is not None else []
        mine = {id(c) for c in own}
        for module in self.addon.modules:
            if name not in module.text:
                continue
            for other in module.units:
                if other is unit or not other.is_function or name not in module.segment(other.node):
                    continue
                same_class = other.owner is not None and id(other.owner) in mine
                if how == "global":
                    receivers = ["module" if module is unit.module else "other"]
                else:
                    receivers = ["other", "self"] if how != "object" and same_class else ["other"]
                if any(closes_attribute(other.all_nodes, name, of, by_with=kind.with_releases) for of in receivers):
                    return True
        return False

    # ------------------------------------------------------------------ generators

    def _suspended(self, unit: Unit, opening: Opening) -> str:
        """A generator that gives back what it holds when it ends: do its callers let it end?"""
        calls = [(use, other) for other in self._all_units() for use in _uses(other, unit, self.addon)]
        if any(use == "abandons" for use, _ in calls):
            return "suspended"
        if calls and all(use == "exhausts" for use, _ in calls):
            return "fine"
        return "unknown"

    def _all_units(self) -> list[Unit]:
        return [unit for module in self.addon.modules for unit in module.units]


def _is_stand_in(unit: Unit, kind: Kind) -> bool:
    """Whether a test opens a mock, or a cursor that borrows no connection of its own."""
    text = unit.module.segment(unit.node)
    if _MOCKED.search(text):
        return True
    return kind is CURSOR and bool(_TEST_MODE.search(text) or (unit.owner and "HttpCase" in unit.owner.bases))


def _once_a_process(unit: Unit, how: str) -> bool:
    """Whether ``unit`` is a plain function whose result ``functools`` caches: an engine made so is made to stay."""
    return how == "cache" and unit.owner is None and not any(name.startswith("ormcache") for name in unit.decorators)


def _passed_on(node: ast.AST, name: str) -> bool:
    return any(
        isinstance(call, ast.Call) and any(isinstance(a, ast.Name) and a.id == name for a in call.args)
        for call in own_nodes(node)
    )


def _in_main_guard(unit: Unit, call: ast.AST) -> bool:
    for statement in unit.module.tree.body:
        if isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test):
            line = getattr(call, "lineno", 0)
            if statement.lineno <= line <= (statement.end_lineno or statement.lineno):
                return True
    return False


_EXHAUSTING = frozenset({"list", "tuple", "set", "frozenset", "sorted", "sum", "dict", "max", "min", "join", "extend"})


def _uses(other: Unit, generator: Unit, addon: AddonOutline) -> list[str]:
    """How ``other`` uses each call of ``generator``: ``exhausts``, ``abandons`` or ``unknown``."""
    if generator.name not in other.module.text:
        return []
    found = []
    seen: set[int] = set()
    for node in other.nodes:
        call: ast.expr | None = None
        use = "unknown"
        if isinstance(node, (ast.For, ast.AsyncFor)):
            call = node.iter
            leaves = (ast.Break, ast.Return, ast.Raise)
            use = "abandons" if any(isinstance(n, leaves) for s in node.body for n in ast.walk(s)) else "exhausts"
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
            call, use = node.generators[0].iter, "exhausts"
        elif isinstance(node, ast.Call) and node.args:
            call = node.args[0]
            last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            use = "exhausts" if last in _EXHAUSTING else ("abandons" if last in ("next", "islice") else "unknown")
        if isinstance(call, ast.Call) and addon.called(call, other) is generator and id(call) not in seen:
            seen.add(id(call))
            found.append(use)
    for node in other.nodes:
        if isinstance(node, ast.Call) and id(node) not in seen and addon.called(node, other) is generator:
            found.append("unknown")
    return found


__all__ = ["CURSOR", "Analysis", "ModuleOutline", "UnitFacts"]
