"""Calls that hand a connection on: back to where it came from, to a thread, a container, a function or a class."""

from __future__ import annotations

import ast

from slotwise.leaks.closures import RELEASES, released_in
from slotwise.leaks.known_calls import (
    CONTAINING,
    CONTENTS,
    DERIVING,
    ENTERING,
    REGISTERING,
    REQUEST_CURSORS,
    SAME_CONTENTS,
    SAME_RESULT,
    THREADS,
)
from slotwise.leaks.names import chain, dotted
from slotwise.leaks.outline import Unit
from slotwise.leaks.resources import CHECKOUT
from slotwise.leaks.state import BY_CURSOR, CLOSED, DIRECT, INSIDE, NOTHING, OPEN, OWNED, Opened, State, Value
from slotwise.leaks.tracking import Tracking


class Handing(Tracking):
    """What becomes of the connections among a call's receiver and arguments."""

    def _given_back(self, method: str, receiver: Value, values: list[Value]) -> frozenset[Opened]:
        if method in ("putconn", "release"):
            return frozenset(k for v in values for k in v.keys if self.openings[k].kind is CHECKOUT)
        own = any(method in self.openings[k].kind.releases for k in receiver.keys)
        if method not in RELEASES and method not in ("__exit__", "__aexit__") and not own:
            return frozenset()
        if receiver.via == INSIDE:
            return receiver.keys
        if receiver.via == BY_CURSOR:
            return frozenset()
        exits = method in ("__exit__", "__aexit__")
        return frozenset(
            k
            for k in receiver.keys
            if (self.openings[k].kind.with_releases if exits else method in self.openings[k].kind.releases)
        )

    def _releases(self, method: str, keys: frozenset[Opened]) -> bool:
        return all(method in self.openings[key].kind.releases for key in keys)

    def _handed_release(self, node: ast.Call, state: State) -> State:
        """``addCleanup(cr.close)``, ``atexit.register(conn.close)``: whoever takes the method calls it."""
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            if isinstance(argument, ast.Attribute) and state.bound:
                text = chain(argument.value)
                keys = (state.holds(text) | state.holds_inside(text)) if text else frozenset()
                if keys and (argument.attr in RELEASES or self._releases(argument.attr, keys)):
                    state = self._closed(keys, state)
        return state

    def _callbacks(self, node: ast.Call, last: str, state: State) -> State:
        """Nested functions and lambdas that are called here, or handed over to be called later."""
        if isinstance(node.func, ast.Name) and node.func.id in self.nested:
            return self._run_later(self.nested[node.func.id], state, None, node.lineno)
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            if isinstance(argument, ast.Lambda):
                body = self.nested_in(argument)
            elif isinstance(argument, ast.Name) and argument.id in self.nested:
                body = self.nested[argument.id]
            else:
                continue
            how = "thread" if last in THREADS else ("closure" if last in REGISTERING else None)
            state = self._run_later(body, state, how, node.lineno)
        return state

    def _passed_to_closer(self, node: ast.Call, state: State, values: list[Value]) -> State:
        """What a function of the addon gives back for its caller."""
        if not any(value.keys for value in values):
            return state
        called = self.addon.called(node, self.unit)
        closes = self.callees.closes(called) if called is not None else frozenset()
        if called is None or not closes:
            return state
        return self._closed(_arguments_named(node, called, values, closes), state)

    def _pass_on(
        self, node: ast.Call, last: str, state: State, receiver: Value, values: list[Value]
    ) -> tuple[State, Value]:
        given = joined(values, INSIDE)
        if last in THREADS:
            return self._to_thread(node, given.keys, state), NOTHING
        if last == "cursor" and receiver.keys and receiver.via == DIRECT:
            named = isinstance(node.func, ast.Attribute) and chain(node.func.value) is not None
            return state, NOTHING if named else Value(receiver.keys, BY_CURSOR)
        if receiver.keys and receiver.via == INSIDE and last in CONTENTS:
            return state, receiver
        if given.keys:
            if last in SAME_RESULT and len(node.args) > 0 and values[0].keys:
                return state, values[0]
            if last == "gather":
                single = any(isinstance(argument, ast.Starred) for argument in node.args)
                return state, Value(given.keys, INSIDE, parts=None if single else tuple(values))
            if last in SAME_CONTENTS:
                return state, Value(given.keys, INSIDE)
            if last in ("closing", "aclosing"):
                return state, Value(given.keys, values[0].via, closing=True)
            if last in ENTERING:
                stack = chain(node.func.value) if isinstance(node.func, ast.Attribute) else None
                if stack is not None and stack in self.stacks:
                    return state.bound_inside(stack, given.keys), values[0]
                managed = frozenset(k for value in values for k in self.managed_by_with(value))
                return state.with_status(managed, CLOSED), values[0]
            if last in DERIVING:
                return state, Value(given.keys, INSIDE)
            if last in CONTAINING and isinstance(node.func, ast.Attribute):
                holder = chain(node.func.value)
                if holder is not None:
                    return self._put_into(holder, given.keys, state, node.lineno), NOTHING
        return self._to_function(node, last, state, given)

    def _to_thread(self, node: ast.Call, keys: frozenset[Opened], state: State) -> State:
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            if any(chain(n) in REQUEST_CURSORS for n in _elements(argument)):
                self.request_threads[id(node)] = node
        if not keys:
            return state
        target = next((k.value for k in node.keywords if k.arg in ("target", "function")), None)
        if target is None:
            target = next((a for a in node.args if chain(a) is not None), None)
        called = self.addon.named(target, self.unit) if target is not None else None
        if called is not None and self.callees.closes(called):
            return self._closed(keys, state)
        for key in keys:
            self.openings[key].thread_line, self.openings[key].thread_known = node.lineno, called is not None
        return state

    def _to_function(self, node: ast.Call, last: str, state: State, given: Value) -> tuple[State, Value]:
        called = self.addon.called(node, self.unit)
        if called is not None:
            handout = self.callees.handout(called)
            if handout is not None and not called.is_manager and not called.yields:
                after, value = self._opened(node, state, handout.kind, called.qualname)
                if handout.index is None:
                    return after, Value(value.keys, handout.via)
                parts = tuple(value if i == handout.index else NOTHING for i in range(handout.size))
                return after, Value(value.keys, INSIDE, parts=parts)
            return state, NOTHING
        outline = self.addon.class_of(node, self.unit)
        owner = self.callees.owner(outline) if outline is not None else None
        if owner is not None and outline is not None:
            return self._opened(node, state, owner, outline.name)
        if not given.keys:
            return state, NOTHING
        if outline is not None:
            methods = [m.node for c in self.addon.related(outline) for m in c.methods.values()]
            by_with = all(self.openings[key].kind.with_releases for key in given.keys)
            if any(name.startswith("self.") for name in released_in(methods, by_with=by_with)):
                for key in given.keys:
                    self.openings[key].closed = self.openings[key].escapes = True
                return state.with_status(
                    frozenset(k for k in given.keys if state.status.get(k) == OPEN), OWNED
                ), NOTHING
            return state, Value(given.keys, INSIDE)
        name = dotted(node.func, self.unit.module.names) or last
        if last[:1].isupper() and not name.startswith("odoo."):
            return self._unknown(given.keys, state, node.lineno), NOTHING
        return state, NOTHING


def joined(values: list[Value], via: str) -> Value:
    """One value that holds what all of ``values`` hold."""
    keys: frozenset[Opened] = frozenset()
    held = via
    for value in values:
        if value.keys and value.via != DIRECT:
            held = value.via
        keys |= value.keys
    return Value(keys, held) if keys else NOTHING


def _elements(node: ast.expr) -> list[ast.expr]:
    """The expression itself, or the elements of a literal tuple, list or dict."""
    if isinstance(node, (ast.Tuple, ast.List)):
        return node.elts
    if isinstance(node, ast.Dict):
        return node.values
    return [node]


def _arguments_named(node: ast.Call, called: Unit, values: list[Value], names: frozenset[str]) -> frozenset[Opened]:
    """What was passed to the parameters ``names`` of ``called``."""
    parameters = called.parameters
    if called.owner is not None and not called.is_static and parameters[:1] and parameters[0] in ("self", "cls"):
        parameters = parameters[1:]
    found: frozenset[Opened] = frozenset()
    for position, value in enumerate(values):
        if position < len(node.args):
            name = parameters[position] if position < len(parameters) else ""
        else:
            name = node.keywords[position - len(node.args)].arg or ""
        if name in names:
            found |= value.keys
    return found
