"""Runs a function in the abstract: every path from the opening of a connection to the places where it is left.

A structured interpreter over the syntax tree. It keeps a small set of :class:`~slotwise.leaks.state.State` (one a
path), so that ``if own: cr.close()`` is matched with ``own = True``. Exceptions leave every call that may raise and
go through the handlers around it. Nothing of the addon is executed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from slotwise.leaks.conditions import assume, decided_name, worth_remembering
from slotwise.leaks.effects import Effects
from slotwise.leaks.names import chain
from slotwise.leaks.state import CLOSED, HANDED_OUT, NOTHING, OPEN, KeptAt, Opened, Opening, State, Value

#: More paths than this through one statement are merged by forgetting what conditions they were told apart by.
_MOST_STATES = 32

Leaving = dict[State, ast.AST]


class Flow:
    """Where a block is left to: the next statement, a break, a continue, a return."""

    __slots__ = ("breaks", "continues", "next", "returns")

    def __init__(self) -> None:
        self.next: dict[State, None] = {}
        self.breaks: dict[State, None] = {}
        self.continues: dict[State, None] = {}
        self.returns: Leaving = {}

    def take_jumps(self, other: Flow) -> None:
        """Add the jumps of ``other``, but not its normal end."""
        self.breaks.update(other.breaks)
        self.continues.update(other.continues)
        self.returns.update(other.returns)


class Walk(Effects):
    """One abstract run of one unit. ``exits`` maps each way out to the states that leave by it."""

    def run(self, start: State) -> dict[str, Leaving]:
        """Follow every path from ``start``. Raises TooComplex for a function with too many."""
        body = self.unit.node.body
        mine = self.unit.nodes
        self.memorable = worth_remembering(mine)
        self.global_names = {name for node in mine if isinstance(node, ast.Global) for name in node.names}
        self.raised: list[Leaving] = [{}]
        self.explicit: set[int] = set()
        self.handler_depth = 0
        if isinstance(body, list):
            flow = self.block(body, {start: None})
        else:
            flow = self.statement(ast.Return(body, lineno=body.lineno, col_offset=body.col_offset), {start: None})
        ends: Leaving = dict.fromkeys(flow.next, self.unit.node)
        raised = {s: n for s, n in self.raised[0].items() if id(n) in self.explicit}
        failed = {s: n for s, n in self.raised[0].items() if id(n) not in self.explicit}
        return {"end": ends, "return": flow.returns, "raise": raised, "exception": failed}

    # ------------------------------------------------------------------ statements

    def block(self, body: list[ast.stmt], states: dict[State, None]) -> Flow:
        """Run statements one after another."""
        flow = Flow()
        current = states
        for statement in body:
            if not current:
                break
            step = self.statement(statement, self.bounded(current))
            flow.take_jumps(step)
            current = step.next
        flow.next = dict(current)
        return flow

    def bounded(self, states: dict[State, None]) -> dict[State, None]:
        """The same states, or fewer and coarser ones when there are too many."""
        if len(states) <= _MOST_STATES:
            return states
        coarse = dict.fromkeys(state.forgetful() for state in states)
        return dict.fromkeys(list(coarse)[:_MOST_STATES])

    def statement(self, node: ast.stmt, states: dict[State, None]) -> Flow:
        """Run one statement from each of ``states``."""
        self.spend(len(states))
        method = getattr(self, f"_on_{type(node).__name__}", None)
        if method is None:
            flow = Flow()
            flow.next = dict(states)
            return flow
        result: Flow = method(node, states)
        return result

    def plain(self, states: Iterable[State]) -> Flow:
        """A flow that just goes on."""
        flow = Flow()
        flow.next = dict.fromkeys(states)
        return flow

    def _on_Expr(self, node: ast.Expr, states: dict[State, None]) -> Flow:
        return self.plain(after for state in states for after, _ in self.value(node.value, state))

    def _on_Assert(self, node: ast.Assert, states: dict[State, None]) -> Flow:
        flow = Flow()
        for state in states:
            for after, _ in self.value(node.test, state):
                self.may_raise(after, node)
                flow.next.update(dict.fromkeys(assume(node.test, after, True, self.memorable)))
        return flow

    def _on_Delete(self, node: ast.Delete, states: dict[State, None]) -> Flow:
        return self.plain(states)

    def _on_Assign(self, node: ast.Assign, states: dict[State, None]) -> Flow:
        flow = Flow()
        decided = decided_name(node, self.memorable)
        for state in states:
            for after, value in self.value(node.value, state):
                if decided is not None and not value.keys:
                    for truth in (True, False):
                        for taken in assume(node.value, after, truth, self.memorable):
                            flow.next[taken.assigned(decided, NOTHING, truth)] = None
                    continue
                for target in node.targets:
                    self.meanings_of(target, node.value)
                    after = self.assign(target, value, after, node.value)
                flow.next[after] = None
        return flow

    def _on_AnnAssign(self, node: ast.AnnAssign, states: dict[State, None]) -> Flow:
        if node.value is None:
            return self.plain(states)
        plain = ast.Assign([node.target], node.value, lineno=node.lineno, col_offset=node.col_offset)
        return self._on_Assign(plain, states)

    def _on_AugAssign(self, node: ast.AugAssign, states: dict[State, None]) -> Flow:
        flow = Flow()
        for state in states:
            for after, value in self.value(node.value, state):
                text = chain(node.target)
                flow.next[after.bound_inside(text, value.keys) if value.keys and text else after] = None
        return flow

    def _on_Return(self, node: ast.Return, states: dict[State, None]) -> Flow:
        flow = Flow()
        for state in states:
            for after, value in self.value(node.value, state) if node.value else [(state, NOTHING)]:
                if node.value is not None:
                    after = self.kept_by_function(node.value, after, node.lineno)
                flow.returns[self.hand_out(after, value, node)] = node
        return flow

    def _on_Raise(self, node: ast.Raise, states: dict[State, None]) -> Flow:
        for state in states:
            for after, _ in self.value(node.exc, state) if node.exc else [(state, NOTHING)]:
                if self.handler_depth:
                    self.raised[-1].setdefault(after, node)
                else:  # a raise that is written down says more than a call that may raise
                    self.explicit.add(id(node))
                    self.raised[-1][after] = node
        return Flow()

    def _on_Break(self, node: ast.Break, states: dict[State, None]) -> Flow:
        flow = Flow()
        flow.breaks = dict(states)
        return flow

    def _on_Continue(self, node: ast.Continue, states: dict[State, None]) -> Flow:
        flow = Flow()
        flow.continues = dict(states)
        return flow

    def _on_If(self, node: ast.If, states: dict[State, None]) -> Flow:
        yes: dict[State, None] = {}
        no: dict[State, None] = {}
        for state in states:
            for after, _ in self.value(node.test, state):
                yes.update(dict.fromkeys(assume(node.test, after, True, self.memorable)))
                no.update(dict.fromkeys(assume(node.test, after, False, self.memorable)))
        flow = Flow()
        for body, branch in ((node.body, yes), (node.orelse, no)):
            step = self.block(body, branch)
            flow.take_jumps(step)
            flow.next.update(step.next)
        return flow

    def _on_Match(self, node: ast.Match, states: dict[State, None]) -> Flow:
        entered = dict.fromkeys(after for state in states for after, _ in self.value(node.subject, state))
        flow = Flow()
        irrefutable = False
        for case in node.cases:
            step = self.block(case.body, entered)
            flow.take_jumps(step)
            flow.next.update(step.next)
            irrefutable |= isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None and case.guard is None
        if not irrefutable:
            flow.next.update(entered)
        return flow

    def _on_While(self, node: ast.While, states: dict[State, None]) -> Flow:
        flow = Flow()
        left: dict[State, None] = {}
        waiting, seen = states, dict(states)
        self.loops.append(node)
        for _ in range(4):
            inside: dict[State, None] = {}
            for state in waiting:
                for after, _ in self.value(node.test, state):
                    inside.update(dict.fromkeys(assume(node.test, after, True, self.memorable)))
                    left.update(dict.fromkeys(assume(node.test, after, False, self.memorable)))
            step = self.block(node.body, self.bounded(inside))
            flow.returns.update(step.returns)
            flow.next.update(step.breaks)
            waiting = {s: None for s in (*step.next, *step.continues) if s not in seen}
            seen.update(waiting)
            if not waiting:
                break
        self.loops.pop()
        ending = self.block(node.orelse, left)
        flow.take_jumps(ending)
        flow.next.update(ending.next)
        return flow

    def _on_For(self, node: ast.For | ast.AsyncFor, states: dict[State, None]) -> Flow:
        flow = Flow()
        left: dict[State, None] = {}
        waiting: dict[State, None] = {}
        for state in states:
            for after, value in self.value(node.iter, state):
                held = value.keys if after.any_open(value.keys) else frozenset()
                entered = self.assign(node.target, Value(held), after, None)
                waiting[entered] = None
                if not held:  # a container that holds something open is not empty
                    left[after] = None
        seen = dict(waiting)
        self.loops.append(node)
        for _ in range(4):
            step = self.block(node.body, self.bounded(waiting))
            flow.returns.update(step.returns)
            flow.next.update(step.breaks)
            ended = {**step.next, **step.continues}
            left.update(ended)
            waiting = {s: None for s in ended if s not in seen}
            seen.update(waiting)
            if not waiting:
                break
        self.loops.pop()
        ending = self.block(node.orelse, self.bounded(left))
        flow.take_jumps(ending)
        flow.next.update(ending.next)
        return flow

    _on_AsyncFor = _on_For

    # ------------------------------------------------------------------ with and try

    def _on_With(self, node: ast.With | ast.AsyncWith, states: dict[State, None]) -> Flow:
        return self.with_items(list(node.items), node, states)

    _on_AsyncWith = _on_With

    def with_items(self, items: list[ast.withitem], node: ast.With | ast.AsyncWith, states: dict[State, None]) -> Flow:
        """Enter the first item, run the rest inside it, and apply what leaving it does to every way out."""
        if not items:
            return self.block(node.body, states)
        item = items[0]
        entered: dict[State, None] = {}
        managed: frozenset[Opened] = frozenset()
        for state in states:
            for after, value in self.value(item.context_expr, state):
                keys = self.managed_by_with(value, self.ends_stack(item.context_expr))
                managed |= keys
                if item.optional_vars is not None:
                    after = self.assign(item.optional_vars, Value(value.keys, value.via), after, None)
                    self.meanings_of(item.optional_vars, item.context_expr)
                    self.ends_stack(item.optional_vars)
                entered[after] = None
        self.raised.append({})
        inner = self.with_items(items[1:], node, self.bounded(entered))
        raised = self.raised.pop()
        flow = Flow()
        flow.next = {self.released(s, managed): None for s in inner.next}
        flow.breaks = {self.released(s, managed): None for s in inner.breaks}
        flow.continues = {self.released(s, managed): None for s in inner.continues}
        flow.returns = {self.released(s, managed): n for s, n in inner.returns.items()}
        swallows = _swallows(item.context_expr)
        for state, origin in raised.items():
            out = self.released(state, managed)
            if swallows:
                flow.next[out] = None
            else:
                self.raised[-1].setdefault(out, origin)
        return flow

    def released(self, state: State, keys: frozenset[Opened]) -> State:
        """``state`` after the end of a ``with`` that gives ``keys`` back."""
        return state.with_status(frozenset(k for k in keys if state.status.get(k) == OPEN), CLOSED) if keys else state

    def _on_Try(self, node: ast.Try, states: dict[State, None]) -> Flow:
        self.raised.append({})
        flow = self.block(node.body, states)
        raised = self.raised.pop()
        if node.orelse:
            self.raised.append({})
            after = self.block(node.orelse, flow.next)
            flow.next = after.next
            flow.take_jumps(after)
            outside = self.raised.pop()
        else:
            outside = {}
        if node.handlers:
            caught_all = False
            entering = dict.fromkeys(raised) or dict(flow.next) or dict.fromkeys(flow.returns)
            for handler in node.handlers:
                self.raised.append({})
                self.handler_depth += 1
                step = self.block(handler.body, self.bounded(dict(entering)))
                self.handler_depth -= 1
                outside.update(self.raised.pop())
                flow.take_jumps(step)
                flow.next.update(step.next)
                caught_all |= _catches_all(handler)
            if not caught_all:
                outside.update(raised)
        else:
            outside.update(raised)
        if node.finalbody:
            return self.finally_(node.finalbody, flow, outside)
        for state, origin in outside.items():
            self.raised[-1].setdefault(state, origin)
        return flow

    _on_TryStar = _on_Try

    def finally_(self, body: list[ast.stmt], flow: Flow, raised: Leaving) -> Flow:
        """Run the ``finally`` once from each distinct state, then let each way out go on from where it ended."""
        every = {**flow.next, **flow.breaks, **flow.continues, **dict.fromkeys(flow.returns), **dict.fromkeys(raised)}
        ended: dict[State, dict[State, None]] = {}
        out = Flow()
        for state in every:
            step = self.block(body, {state: None})
            out.take_jumps(step)
            ended[state] = step.next
        out.next.update({after: None for s in flow.next for after in ended[s]})
        out.breaks.update({after: None for s in flow.breaks for after in ended[s]})
        out.continues.update({after: None for s in flow.continues for after in ended[s]})
        out.returns.update({after: n for s, n in flow.returns.items() for after in ended[s]})
        for state, origin in raised.items():
            for after in ended[state]:
                self.raised[-1].setdefault(after, origin)
        return out

    # ------------------------------------------------------------------ what does not run here

    def _on_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef, states: dict[State, None]) -> Flow:
        return self.plain(self.define(node, state) for state in states)

    _on_AsyncFunctionDef = _on_FunctionDef

    def hand_out(self, state: State, value: Value, node: ast.AST) -> State:
        """``state`` after returning ``value``: what is open in it now belongs to the caller."""
        keys = frozenset(k for k in value.keys if state.status.get(k) == OPEN)
        if not keys:
            return state
        if self.unit.is_cached:
            for key in keys:
                self.openings[key].kept = KeptAt("cache", self.unit.name, getattr(node, "lineno", 0))
            return state
        self.note_handout(keys, value)
        return state.with_status(keys, HANDED_OUT)


def _swallows(expression: ast.expr) -> bool:
    """Whether leaving this context by an exception goes on after the block."""
    if not isinstance(expression, ast.Call):
        return False
    last = (chain(expression.func) or "").rpartition(".")[2]
    return last in ("suppress", "assertRaises", "assertRaisesRegex", "raises", "assertRaisesMessage")


def _catches_all(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names: Iterator[ast.expr] = iter(handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type])
    return any((chain(name) or "").rpartition(".")[2] in ("Exception", "BaseException") for name in names)


__all__ = ["Flow", "Opening", "Walk"]
