"""What evaluating an expression does to a path: opening, giving back, handing on, keeping."""

from __future__ import annotations

import ast

from slotwise.leaks.conditions import assume
from slotwise.leaks.handing import Handing, joined
from slotwise.leaks.known_calls import (
    AWAITED_IN_THREAD,
    CALM,
    INNER_NAMES,
    REGISTERING,
)
from slotwise.leaks.names import chain
from slotwise.leaks.resources import CURSOR, RAW, Kind
from slotwise.leaks.state import INSIDE, NOTHING, OPEN, Opened, State, Value


class Effects(Handing):
    """Expressions of one unit. The statements are in :class:`slotwise.leaks.flow.Walk`."""

    # ------------------------------------------------------------------ values

    def value(self, node: ast.expr, state: State) -> list[tuple[State, Value]]:
        """Every way that evaluating ``node`` can end normally: the point after it and what it yields."""
        if isinstance(node, ast.Constant):
            return [(state, NOTHING)]
        self.spend(1)
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
        if isinstance(node, ast.Dict):
            return self._dictionary(node, state)
        if isinstance(node, (ast.Tuple, ast.List, ast.Set, ast.Starred, ast.BoolOp)):
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
            ended: list[tuple[State, list[Value]]] = []
            for before, values in result:
                ways = self.value(node, before)
                if len(ways) == 1:  # the usual end: a list of a million numbers is not copied a million times
                    values.append(ways[0][1])
                    ended.append((ways[0][0], values))
                else:
                    ended += [(after, [*values, value]) for after, value in ways]
            result = ended
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
            inside = state.holds(text + INSIDE) | state.holds_items(text)
            return [(state, Value(inside, INSIDE) if inside else NOTHING)]
        owned = self._kept_by_owner(text, state)
        if owned:
            return [(state, Value(owned, INSIDE))]
        if state.bound and (last in INNER_NAMES or last.startswith("[")):
            inside = state.holds_inside(text)
            return [(state, Value(inside, INSIDE) if inside else NOTHING)]
        return [(state, NOTHING)]

    def _kept_by_owner(self, text: str, state: State) -> frozenset[Opened]:
        """``client.conn`` where making ``client`` opened what it keeps under that name."""
        holder, _, attribute = text.rpartition(".")
        return frozenset(k for k in state.holds(holder) if self.openings[k].kind.attribute == attribute)

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
            together = self._all(parts, state)
            if any(value.keys for _, values in together for value in values):
                return self._one_of(node, state)
            return [(after, NOTHING) for after, _ in together]
        result = []
        for after, values in self._all(parts, state):
            pieces = tuple(values) if isinstance(node, (ast.Tuple, ast.List)) else None
            result.append((after, Value(joined(values, INSIDE).keys, INSIDE, parts=pieces)))
        return result

    def _one_of(self, node: ast.BoolOp, state: State) -> list[tuple[State, Value]]:
        """``conn or connect()``: the first operand that decides is the result, and the later ones are not run."""
        decides = isinstance(node.op, ast.Or)
        result: list[tuple[State, Value]] = []
        reached = [state]
        for position, operand in enumerate(node.values, 1):
            going_on: list[State] = []
            for before in reached:
                for after, value in self.value(operand, before):
                    if position == len(node.values):
                        result.append((after, value))
                    elif after.any_open(value.keys):  # what is open is true
                        if decides:
                            result.append((after, value))
                        else:
                            going_on.append(after)
                    else:
                        result += [(end, NOTHING) for end in assume(operand, after, decides, self.memorable)]
                        going_on += assume(operand, after, not decides, self.memorable)
            reached = going_on
        return result

    def _dictionary(self, node: ast.Dict, state: State) -> list[tuple[State, Value]]:
        result = []
        names = [f"[{key.value!r}]" if isinstance(key, ast.Constant) else "*" for key in node.keys]
        for after, _ in self._all([key for key in node.keys if key is not None], state):
            for end, values in self._all(node.values, after):
                items = tuple((name, value) for name, value in zip(names, values, strict=True) if value.keys)
                known = "*" not in (name for name, _ in items)
                result.append((end, Value(joined(values, INSIDE).keys, INSIDE, items=items if known else ())))
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
        return [(a, Value(joined(v, INSIDE).keys, INSIDE)) for s in states for a, v in self._all(elements, s)]

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
        if last == "setattr" and len(node.args) == 3 and isinstance(node.args[1], ast.Constant) and values[2].keys:
            target = ast.Attribute(node.args[0], str(node.args[1].value), ast.Store())
            return self.assign(ast.copy_location(target, node), values[2], state, None), NOTHING
        slow = self.slow_names.slow(node)
        if slow is not None:
            before = self.slow.get(id(node))
            holding = any(
                status == OPEN and key in self.openings and self.openings[key].kind is CURSOR
                for key, status in state.status.items()
            )
            self.slow[id(node)] = (node, slow, holding or (before is not None and before[2]))
        kind = self._opened_by(node, last) or (self.openers.get(chain(func) or "") if self.openers else None)
        if kind is not None:
            if not self.meanings.makes_session(node):
                self.may_raise(state, node)
            handed = chain(func) if (chain(func) or "") in self.openers else None
            return self._opened(node, state, kind, handed)
        calm = last in CALM or self._calm_cursor(last, receiver)
        if not calm:
            state = self._passed_to_closer(node, state, values)
            if self.addon.class_of(node, self.unit) is None:
                self.may_raise(state, node)
        return self._pass_on(node, last, state, receiver, values)

    def _opened_by(self, node: ast.Call, last: str) -> Kind | None:
        """What the call opens, also through a local alias, or by a thread that is waited for."""
        kind = self.meanings.opened_by(node)
        if kind is not None:
            return kind
        called: ast.expr | None = None
        if isinstance(node.func, ast.Name):
            called = self.aliases.get(node.func.id)
        elif last in AWAITED_IN_THREAD and len(node.args) > AWAITED_IN_THREAD[last]:
            called = node.args[AWAITED_IN_THREAD[last]]
        if called is None:
            return None
        return self.meanings.opened_by(ast.copy_location(ast.Call(called, node.args, node.keywords), node))

    def _calm_cursor(self, last: str, receiver: Value) -> bool:
        """``conn.cursor()`` on a connection that was just opened."""
        return last == "cursor" and any(self.openings[k].kind.name in RAW for k in receiver.keys if k in self.openings)

    def define(self, node: ast.FunctionDef | ast.AsyncFunctionDef, state: State) -> State:
        """A nested function is defined: remember what it does with the names around it, and run its defaults."""
        arguments = node.args
        for default in (*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)):
            for after, _ in self.value(default, state):
                state = after
        if not self.unit.is_function:
            return state
        self.nested[node.name] = self.nested_in(node)
        for decorator in node.decorator_list:
            if (chain(decorator) or "").rpartition(".")[2] in REGISTERING:
                state = self._run_later(self.nested[node.name], state, "closure", node.lineno)
        return state


def _children(node: ast.AST) -> list[ast.expr]:
    return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
