"""What evaluating an expression does to a path: opening, giving back, handing on, keeping."""

from __future__ import annotations

import ast

from slotwise.leaks.closures import RELEASES, released_in, used_in
from slotwise.leaks.conditions import assume
from slotwise.leaks.names import chain, dotted
from slotwise.leaks.outline import Unit
from slotwise.leaks.resources import CHECKOUT, CURSOR, RAW
from slotwise.leaks.state import BY_CURSOR, CLOSED, DIRECT, INSIDE, NOTHING, OPEN, OWNED, Opened, State, Value
from slotwise.leaks.tracking import Tracking

_THREADS = frozenset({"Thread", "Timer", "Process", "submit", "start_new_thread", "apply_async", "run_in_executor"})
_ENTERING = frozenset({"enter_context", "enter_async_context", "enterContext", "enterClassContext", "push"})
_DERIVING = frozenset({"Environment", "with_env", "with_cr", "env"})
_CONTAINING = frozenset({"append", "add", "insert", "appendleft", "put", "extend", "update", "setdefault"})
# Methods and functions that give what a container holds.
_CONTENTS = frozenset({"values", "items", "pop", "popitem", "popleft"})
_SAME_CONTENTS = frozenset({"list", "tuple", "set", "reversed", "sorted", "iter", "enumerate", "zip", "dict", "filter"})
_REGISTERING = frozenset({"add", "append", "register", "addCleanup", "addClassCleanup", "callback", "addfinalizer"})
_INNER_NAMES = frozenset({"cr", "_cr", "env", "conn", "_conn", "connection", "_connection", "cursor", "raw"})
# Calls that do not fail in practice: a report about them would be right in theory and noise on a desk.
_CALM = frozenset(
    "append add extend debug info warning error exception critical log print len isinstance hasattr str bool list dict "  # noqa: SIM905
    "set tuple format join strip Environment rollback set_isolation_level set_session set_client_encoding Thread Timer "
    "super time now perf_counter monotonic closing callback addCleanup addClassCleanup keys items values range "
    "enumerate zip clear env with_env with_context sudo getLogger mute_logger enter_context enter_async_context "
    "enterContext enterClassContext push close closeall dispose terminate putconn release disconnect".split()
)
_REQUEST_CURSORS = frozenset({"self.env.cr", "self._cr", "request.env.cr", "request.cr"})


class Effects(Tracking):
    """Expressions of one unit. The statements are in :class:`slotwise.leaks.flow.Walk`."""

    # ------------------------------------------------------------------ values

    def value(self, node: ast.expr, state: State) -> list[tuple[State, Value]]:
        """Every way that evaluating ``node`` can end normally: the point after it and what it yields."""
        if isinstance(node, ast.Constant):
            return [(state, NOTHING)]
        if isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            return self._named(node, state)
        if isinstance(node, ast.Call):
            return self._call(node, state)
        if isinstance(node, ast.Await):
            return self.value(node.value, state)
        if isinstance(node, ast.NamedExpr):
            result = []
            for after, value in self.value(node.value, state):
                self.meanings_of(node.target, node.value)
                result.append((self.assign(node.target, value, after, node.value), value))
            return result
        if isinstance(node, ast.IfExp):
            return self._either(node, state)
        if isinstance(node, (ast.Tuple, ast.List, ast.Set, ast.Dict, ast.Starred, ast.BoolOp)):
            return self._together(node, state)
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return self._yield(node, state)
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            return self._comprehension(node, state)
        if isinstance(node, ast.Lambda):
            return [(state, NOTHING)]
        return [(after, NOTHING) for after, _ in self._all(_children(node), state)]

    def _all(self, nodes: list[ast.expr], state: State) -> list[tuple[State, list[Value]]]:
        """Evaluate expressions from left to right."""
        result: list[tuple[State, list[Value]]] = [(state, [])]
        for node in nodes:
            result = [
                (after, [*values, value]) for before, values in result for after, value in self.value(node, before)
            ]
        return result

    def _named(self, node: ast.expr, state: State) -> list[tuple[State, Value]]:
        text = chain(node)
        if text is None:
            inner = node.value if isinstance(node, (ast.Attribute, ast.Subscript)) else node
            index = [node.slice] if isinstance(node, ast.Subscript) else []
            return [(after, NOTHING) for after, _ in self._all([inner, *index], state)]
        held = state.holds(text)
        if held:
            return [(state, Value(held))]
        last = text.rpartition(".")[2]
        if isinstance(node, ast.Name):
            inside = state.holds(text + INSIDE)
            return [(state, Value(inside, INSIDE) if inside else NOTHING)]
        if state.bound and (last in _INNER_NAMES or last.startswith("[")):
            inside = state.holds_inside(text)
            return [(state, Value(inside, INSIDE) if inside else NOTHING)]
        return [(state, NOTHING)]

    def _either(self, node: ast.IfExp, state: State) -> list[tuple[State, Value]]:
        result = []
        for after, _ in self.value(node.test, state):
            for branch, truth in ((node.body, True), (node.orelse, False)):
                for taken in assume(node.test, after, truth, self.memorable):
                    result.extend(self.value(branch, taken))
        return result

    def _together(self, node: ast.expr, state: State) -> list[tuple[State, Value]]:
        parts = _children(node)
        if isinstance(node, ast.BoolOp):
            # ``conn or connect()``: any of the operands may be the result.
            return [(after, _joined(values, DIRECT)) for after, values in self._all(parts, state)]
        result = []
        for after, values in self._all(parts, state):
            joined = _joined(values, INSIDE)
            pieces = tuple(values) if isinstance(node, (ast.Tuple, ast.List)) else None
            result.append((after, Value(joined.keys, INSIDE, parts=pieces)))
        return result

    def _yield(self, node: ast.Yield | ast.YieldFrom, state: State) -> list[tuple[State, Value]]:
        result = []
        for after, _ in self.value(node.value, state) if node.value else [(state, NOTHING)]:
            if not self.unit.is_fixture:
                if not self.unit.is_manager:
                    for key, status in after.status.items():
                        if status == OPEN and self.openings[key].yield_line is None:
                            self.openings[key].yield_line = node.lineno
                self.may_raise(after, node)
            result.append((after, NOTHING))
        return result

    def _comprehension(self, node: ast.expr, state: State) -> list[tuple[State, Value]]:
        assert isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp))
        states = [state]
        for generator in node.generators:
            states = [
                self.assign(generator.target, Value(value.keys), after, None)
                for before in states
                for after, value in self.value(generator.iter, before)
            ]
            states = [after for before in states for after, _ in self._all(generator.ifs, before)]
        elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return [(a, Value(_joined(v, INSIDE).keys, INSIDE)) for s in states for a, v in self._all(elements, s)]

    # ------------------------------------------------------------------ calls

    def _call(self, node: ast.Call, state: State) -> list[tuple[State, Value]]:
        func = node.func
        receiver = [func.value] if isinstance(func, ast.Attribute) else ([] if isinstance(func, ast.Name) else [func])
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        result = []
        for after, values in self._all([*receiver, *arguments], state):
            held = values[0] if isinstance(func, ast.Attribute) else NOTHING
            result.append(self._apply(node, after, held, values[len(receiver) :]))
        return result

    def _apply(self, node: ast.Call, state: State, receiver: Value, values: list[Value]) -> tuple[State, Value]:
        func = node.func
        last = func.attr if isinstance(func, ast.Attribute) else (func.id if isinstance(func, ast.Name) else "")
        if isinstance(func, ast.Attribute):
            given = self._given_back(last, receiver, values)
            if given:
                return self._closed(given, state), NOTHING
        state = self._handed_release(node, state)
        state = self._callbacks(node, last, state)
        slow = self.slow_names.slow(node)
        if slow is not None:
            before = self.slow.get(id(node))
            holding = any(
                status == OPEN and key in self.openings and self.openings[key].kind is CURSOR
                for key, status in state.status.items()
            )
            self.slow[id(node)] = (node, slow, holding or (before is not None and before[2]))
        kind = self.meanings.opened_by(node) or (self.openers.get(chain(func) or "") if self.openers else None)
        if kind is not None:
            self.may_raise(state, node)
            handed = chain(func) if (chain(func) or "") in self.openers else None
            return self._opened(node, state, kind, handed)
        calm = last in _CALM or self._calm_cursor(last, receiver)
        if not calm:
            state = self._passed_to_closer(node, state, values)
            if self.addon.class_of(node, self.unit) is None:
                self.may_raise(state, node)
        return self._pass_on(node, last, state, receiver, values)

    def _passed_to_closer(self, node: ast.Call, state: State, values: list[Value]) -> State:
        """What a function of the addon gives back for its caller."""
        if not any(value.keys for value in values):
            return state
        called = self.addon.called(node, self.unit)
        closes = self.callees.closes(called) if called is not None else frozenset()
        if called is None or not closes:
            return state
        return self._closed(_arguments_named(node, called, values, closes), state)

    def _calm_cursor(self, last: str, receiver: Value) -> bool:
        """``conn.cursor()`` on a connection that was just opened."""
        return last == "cursor" and any(self.openings[k].kind.name in RAW for k in receiver.keys if k in self.openings)

    def _given_back(self, method: str, receiver: Value, values: list[Value]) -> frozenset[Opened]:
        if method in ("putconn", "release"):
            return frozenset(k for v in values for k in v.keys if self.openings[k].kind is CHECKOUT)
        if method not in RELEASES and method not in ("__exit__", "__aexit__"):
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

    def _handed_release(self, node: ast.Call, state: State) -> State:
        """``addCleanup(cr.close)``, ``atexit.register(conn.close)``: whoever takes the method calls it."""
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            if isinstance(argument, ast.Attribute) and argument.attr in RELEASES:
                text = chain(argument.value)
                keys = (state.holds(text) | state.holds_inside(text)) if text else frozenset()
                if keys:
                    state = self._closed(keys, state)
        return state

    def _callbacks(self, node: ast.Call, last: str, state: State) -> State:
        """Nested functions and lambdas that are called here, or handed over to be called later."""
        if isinstance(node.func, ast.Name) and node.func.id in self.nested:
            return self._run_later(self.nested[node.func.id], state, None, node.lineno)
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            if isinstance(argument, ast.Lambda):
                body = (released_in([argument.body]), used_in([argument.body]))
            elif isinstance(argument, ast.Name) and argument.id in self.nested:
                body = self.nested[argument.id]
            else:
                continue
            how = "thread" if last in _THREADS else ("closure" if last in _REGISTERING else None)
            state = self._run_later(body, state, how, node.lineno)
        return state

    def define(self, node: ast.FunctionDef | ast.AsyncFunctionDef, state: State) -> State:
        """A nested function is defined: remember what it does with the names around it, and run its defaults."""
        arguments = node.args
        for default in (*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)):
            for after, _ in self.value(default, state):
                state = after
        if not self.unit.is_function:
            return state
        self.nested[node.name] = (released_in(node.body), used_in(node.body))
        for decorator in node.decorator_list:
            if (chain(decorator) or "").rpartition(".")[2] in _REGISTERING:
                state = self._run_later(self.nested[node.name], state, "closure", node.lineno)
        return state

    # ------------------------------------------------------------------ handing on

    def _pass_on(
        self, node: ast.Call, last: str, state: State, receiver: Value, values: list[Value]
    ) -> tuple[State, Value]:
        given = _joined(values, INSIDE)
        if last in _THREADS:
            return self._to_thread(node, given.keys, state), NOTHING
        if last == "cursor" and receiver.keys and receiver.via == DIRECT:
            named = isinstance(node.func, ast.Attribute) and chain(node.func.value) is not None
            return state, NOTHING if named else Value(receiver.keys, BY_CURSOR)
        if receiver.keys and receiver.via == INSIDE and last in _CONTENTS:
            return state, receiver
        if given.keys:
            if last in _SAME_CONTENTS:
                return state, Value(given.keys, INSIDE)
            if last in ("closing", "aclosing"):
                return state, Value(given.keys, values[0].via, closing=True)
            if last in _ENTERING:
                managed = frozenset(k for value in values for k in self.managed_by_with(value))
                return state.with_status(managed, CLOSED), values[0]
            if last in _DERIVING:
                return state, Value(given.keys, INSIDE)
            if last in _CONTAINING and isinstance(node.func, ast.Attribute):
                holder = chain(node.func.value)
                if holder is not None:
                    return self._put_into(holder, given.keys, state, node.lineno), NOTHING
        return self._to_function(node, last, state, given)

    def _to_thread(self, node: ast.Call, keys: frozenset[Opened], state: State) -> State:
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            if any(chain(n) in _REQUEST_CURSORS for n in _elements(argument)):
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
        if not given.keys:
            return state, NOTHING
        outline = self.addon.class_of(node, self.unit)
        if outline is not None:
            methods = [m.node for c in self.addon.related(outline) for m in c.methods.values()]
            if any(name.startswith("self.") for name in released_in(methods)):
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


def _joined(values: list[Value], via: str) -> Value:
    keys: frozenset[Opened] = frozenset()
    held = via
    for value in values:
        if value.keys and value.via != DIRECT:
            held = value.via
        keys |= value.keys
    return Value(keys, held) if keys else NOTHING


def _children(node: ast.AST) -> list[ast.expr]:
    return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


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
