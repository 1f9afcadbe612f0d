"""Which names hold what is open: assignment, keeping, giving back. The part of an abstract run that knows no syntax
of calls."""

from __future__ import annotations

import ast
from typing import Protocol

import msgspec

from slotwise.leaks.closures import Nested, nested
from slotwise.leaks.held import SlowCall, SlowNames
from slotwise.leaks.names import called_later, chain
from slotwise.leaks.outline import AddonOutline, ClassOutline, Unit
from slotwise.leaks.resources import CURSOR, Kind, Meanings
from slotwise.leaks.state import (
    CLOSED,
    DIRECT,
    INSIDE,
    NOTHING,
    OPEN,
    UNKNOWN,
    KeptAt,
    Opened,
    Opening,
    State,
    Value,
)


class Handout(msgspec.Struct, frozen=True):
    """What a function hands out open: the kind, how it is held, and its place in a returned tuple (None: no tuple)."""

    kind: Kind
    via: str
    index: int | None
    size: int


class Callees(Protocol):
    """What is known of the other functions of the addon."""

    def handout(self, unit: Unit) -> Handout | None:
        """What a function hands out open."""

    def closes(self, unit: Unit) -> frozenset[str]:
        """Which of its parameters a function gives back."""

    def owner(self, outline: ClassOutline) -> Kind | None:
        """What making an instance of a class opens."""


#: Statements and expressions, each counted once for every path through it, after which a function is given up. The
#: most in the 1,429 files of Odoo 18, its libraries and OCA that open anything is 20,208 for a function, 26,000 for a
#: file; programs made to be complicated take millions.
MOST_STEPS = 40_000


class TooComplex(Exception):
    """The function has more paths than are worth following."""


class Tracking:
    """What one unit holds open, name by name."""

    def __init__(self, unit: Unit, addon: AddonOutline, callees: Callees, meanings: Meanings) -> None:
        self.unit = unit
        self.addon = addon
        self.callees = callees
        self.meanings = meanings
        self.slow_names = SlowNames(unit.module.names)
        self.openings: dict[Opened, Opening] = {}
        self.loops: list[ast.stmt] = []
        self.steps = 0
        self.most_steps = MOST_STEPS
        self.handout: Handout | None = None
        self.slow: dict[int, tuple[ast.Call, SlowCall, bool]] = {}
        self.request_threads: dict[int, ast.Call] = {}
        self.nested: dict[str, Nested] = {}
        self._nested_of: dict[int, Nested] = {}
        self.openers: dict[str, Kind] = {}
        self.aliases: dict[str, ast.expr] = {}
        self.stacks: set[str] = set()  # exit stacks that no ``with`` ends
        self._moving: frozenset[Opened] = frozenset()
        self.memorable: frozenset[str] = frozenset()
        self.global_names: set[str] = set()
        self.raised: list[dict[State, ast.AST]] = [{}]

    def spend(self, steps: int) -> None:
        """Count work done. Raises TooComplex when it is more than this function may take."""
        self.steps += steps
        if self.steps > self.most_steps:
            raise TooComplex

    # ------------------------------------------------------------------ assignment

    def meanings_of(self, target: ast.expr, value: ast.expr) -> None:
        """Remember what the target now stands for: a registry, an engine, a session, a lambda that opens."""
        text = chain(target)
        if text is None:
            return
        self.meanings.note(text, value)
        self.slow_names.note(text, value)
        if (
            isinstance(value, ast.Call)
            and (chain(value.func) or "").endswith("ExitStack")
            and isinstance(target, ast.Name)
        ):
            self.stacks.add(text)
        called = called_later(value)
        if called is not None:
            self.aliases[text] = called
        else:
            self.aliases.pop(text, None)
        if isinstance(value, ast.Lambda):
            self.nested[text] = self.nested_in(value)
            if isinstance(value.body, ast.Call):
                kind = self.meanings.opened_by(value.body)
                if kind is not None:
                    self.openers[text] = kind

    def ends_stack(self, node: ast.expr) -> bool:
        """Whether ``node`` is an exit stack; as the subject of a ``with`` it is from here on ended by that."""
        text = chain(node)
        found = text in self.stacks
        if text is not None:
            self.stacks.discard(text)
        return found

    def assign(self, target: ast.expr, value: Value, state: State, source: ast.expr | None) -> State:
        """``state`` after ``target = value``; ``source`` is the expression where it tells a constant."""
        if isinstance(target, (ast.Tuple, ast.List)):
            elements = source.elts if isinstance(source, (ast.Tuple, ast.List)) else []
            self._moving = value.keys  # ``a, b = b, a`` loses nothing
            for position, element in enumerate(target.elts):
                part = Value(value.keys, INSIDE) if value.keys else NOTHING
                if value.parts is not None:
                    part = value.parts[position] if position < len(value.parts) else NOTHING
                origin = elements[position] if position < len(elements) else None
                state = self.assign(element, part, state, origin)
            self._moving = frozenset()
            return state
        if isinstance(target, ast.Starred):
            return self.assign(target.value, value, state, source)
        truth: bool | None = None
        if isinstance(source, ast.Constant) and (source.value is None or isinstance(source.value, bool)):
            truth = bool(source.value)
        text = chain(target)
        if isinstance(target, ast.Name):
            self._note_lost(target.id, value, state, target.lineno)
            if value.keys and target.id in self.global_names:
                self._keep(value.keys, "global", target.id, target.lineno)
            return state.assigned(target.id, value, truth)
        if value.keys:
            state = self._keep_in(target, text, value, state)
        if isinstance(target, ast.Attribute) and text is not None:
            return state.assigned(text, value, truth)
        return state

    def _note_lost(self, name: str, value: Value, state: State, line: int) -> None:
        for key in state.holds(name) - value.keys - self._moving:
            elsewhere = any(key in keys for other, keys in state.bound.items() if other != name)
            opening = self.openings.get(key)
            if opening is None or state.status.get(key) != OPEN or elsewhere:
                continue
            opening.replaced |= bool(value.keys)
            if opening.lost_line is None:
                opening.lost_line = line

    def _keep_in(self, target: ast.expr, text: str | None, value: Value, state: State) -> State:
        """Something open was put into an attribute or an item: say how long that lives."""
        line = target.lineno
        if isinstance(target, ast.Subscript):
            holder = chain(target.value)
            if isinstance(target.value, ast.Name) and text is not None and self._is_local(target.value.id):
                return state.assigned(text, value, None)
            return self._put_into(holder, value.keys, state, line) if holder else self._unknown(value.keys, state, line)
        assert isinstance(target, ast.Attribute)
        if text is None:
            inner = target.value
            of_type = isinstance(inner, ast.Call) and chain(inner.func) == "type"
            if of_type:
                self._keep(value.keys, "class", target.attr, line)
                return state
            return self._unknown(value.keys, state, line)
        parts = text.split(".")
        if parts[0] == "self" and len(parts) == 2:
            self._keep(value.keys, "self", target.attr, line)
        elif parts[0] == "cls" or (len(parts) == 2 and parts[0] in self.addon.classes):
            self._keep(value.keys, "class", target.attr, line)
        elif parts[0] in self.unit.module.globals and parts[0] not in self.unit.parameters:
            self._keep(value.keys, "global", parts[0], line)
        elif parts[0] == "self":
            self._keep(value.keys, "object", target.attr, line)
        elif parts[0] in self.unit.parameters:
            return self._unknown(value.keys, state, line)
        return state

    def _is_local(self, name: str) -> bool:
        return name not in self.unit.module.globals and name not in self.unit.parameters and self.unit.is_function

    def _put_into(self, holder: str, keys: frozenset[Opened], state: State, line: int) -> State:
        """Something open was put into the container called ``holder``."""
        parts = holder.split(".")
        if parts[0] == "self" and len(parts) > 1:
            self._keep(keys, "self" if len(parts) == 2 else "object", parts[-1], line)
        elif parts[0] == "cls" and len(parts) > 1:
            self._keep(keys, "class", parts[-1], line)
        elif len(parts) == 1 and holder in self.unit.module.globals and self.unit.is_function:
            self._keep(keys, "global", holder, line)
        elif parts[0] in self.unit.parameters:
            return self._unknown(keys, state, line)
        return state.bound_inside(holder, keys)

    def _keep(self, keys: frozenset[Opened], how: str, name: str, line: int) -> None:
        for key in keys:
            opening = self.openings.get(key)
            if opening is not None and opening.kept is None:
                opening.kept = KeptAt(how, name, line)

    def _unknown(self, keys: frozenset[Opened], state: State, line: int) -> State:
        for key in keys:
            if key in self.openings:
                self.openings[key].unknown_line = line
                self.openings[key].escapes = True
        return state.with_status(frozenset(k for k in keys if state.status.get(k) == OPEN), UNKNOWN)

    # ------------------------------------------------------------------ open, closed, later

    def may_raise(self, state: State, node: ast.AST) -> None:
        """An exception may leave from here."""
        self.raised[-1].setdefault(state, node)

    def _closed(self, keys: frozenset[Opened], state: State) -> State:
        for key in keys:
            self.openings[key].closed = self.openings[key].given_back = True
        return state.with_status(keys, CLOSED)

    def _opened(self, node: ast.Call, state: State, kind: Kind, handed_by: str | None) -> tuple[State, Value]:
        key = (node.end_lineno or node.lineno, node.end_col_offset or 0)
        opening = self.openings.get(key)
        if opening is None:
            loop = self.loops[-1] if self.loops else None
            opening = self.openings[key] = Opening(key, kind, node, handed_by, loop)
        if state.status.get(key) == OPEN and opening.kept is None:
            inside = any(key in keys for name, keys in state.bound.items() if name.endswith(INSIDE))
            if not inside and opening.lost_line is None:
                opening.lost_line = node.lineno
        opening.while_cursor_open |= any(
            status == OPEN and other != key and other in self.openings and self.openings[other].kind is CURSOR
            for other, status in state.status.items()
        )
        return state.opened(key), Value(frozenset({key}))

    def managed_by_with(self, value: Value, by_stack: bool = False) -> frozenset[Opened]:
        """The things that leaving ``with value:`` gives back; ``by_stack``: the value is an exit stack."""
        found = set()
        for key in value.keys:
            opening = self.openings[key]
            if value.closing or (value.via == DIRECT and opening.kind.with_releases):
                opening.closed = opening.given_back = opening.managed = True
                found.add(key)
            elif value.via == DIRECT:
                opening.with_used = True
            elif by_stack:
                found.add(key)
        return frozenset(found)

    def nested_in(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Nested:
        """What the nested function ``node`` does with the names around it, worked out once."""
        known = self._nested_of.get(id(node))
        if known is None:
            known = self._nested_of[id(node)] = nested(node)
        return known

    def _run_later(self, body: Nested, state: State, how: str | None, line: int) -> State:
        for name, held in list(state.bound.items()):
            plain = name.removesuffix(INSIDE)
            given = frozenset(k for k in held if body.gives_back(plain, self.openings[k].kind.with_releases))
            keys = held - given
            if given:
                state = self._closed(given, state)
            if keys and plain in body.uses and how is not None and state.any_open(keys):
                if how == "thread":
                    for key in keys:
                        self.openings[key].thread_line, self.openings[key].thread_known = line, True
                else:
                    self._keep(keys, "closure", plain, line)
        return state

    def kept_by_function(self, returned: ast.expr, state: State, line: int) -> State:
        """A nested function or a lambda is returned: what it uses stays open for as long as it is kept."""
        if isinstance(returned, ast.Lambda):
            return self._run_later(self.nested_in(returned), state, "closure", line)
        if isinstance(returned, ast.Name) and returned.id in self.nested:
            return self._run_later(self.nested[returned.id], state, "closure", line)
        return state

    def note_handout(self, keys: frozenset[Opened], value: Value) -> None:
        """The function returns these open: its callers own them from here."""
        for key in keys:
            self.openings[key].closed = self.openings[key].escapes = True
        key = min(keys)
        index, size, via = None, 0, value.via
        if value.parts is not None:
            size = len(value.parts)
            index = next((i for i, part in enumerate(value.parts) if key in part.keys), None)
            via = DIRECT if index is not None else INSIDE
        if self.handout is None:
            self.handout = Handout(self.openings[key].kind, via, index, size)
