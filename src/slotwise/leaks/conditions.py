"""What a condition says about a path: guards such as ``if conn:`` and ``if cr is not self.env.cr`` decide ownership."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable

from slotwise.leaks.names import chain
from slotwise.leaks.state import CLOSED, OPEN, Opened, State


def atom_text(node: ast.expr) -> str | None:
    """A stable text for a condition without calls, or None: a call may answer differently each time."""
    text = chain(node)
    if text is not None:
        return text
    if isinstance(node, ast.Compare) and not any(isinstance(n, (ast.Call, ast.Await)) for n in ast.walk(node)):
        return ast.unparse(node)
    return None


_DECIDING = frozenset({ast.If, ast.While, ast.IfExp, ast.Assign, ast.Return})


def worth_remembering(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """Conditions that are tested more than once in a function: only those tell its paths apart for good."""
    seen: Counter[str] = Counter()
    for node in nodes:
        if node.__class__ not in _DECIDING:  # nearly every node
            continue
        if isinstance(node, (ast.If, ast.While, ast.IfExp)):
            seen.update(set(_atoms(node.test)))
        elif isinstance(node, ast.Assign) and _is_truth(node.value):
            seen.update(t.id for t in node.targets if isinstance(t, ast.Name))
            if not isinstance(node.value, ast.Constant):
                seen.update(set(_atoms(node.value)))
        elif isinstance(node, (ast.Assign, ast.Return)) and isinstance(node.value, ast.BoolOp):
            seen.update({text for operand in node.value.values[:-1] for text in _atoms(operand)})
    return frozenset(text for text, count in seen.items() if count > 1)


def decided_name(node: ast.Assign, memorable: frozenset[str]) -> str | None:
    """The name in ``own = conn is None`` when the paths of its function are told apart by it."""
    target = node.targets[0]
    if len(node.targets) > 1 or not isinstance(target, ast.Name) or target.id not in memorable:
        return None
    return (
        target.id if isinstance(node.value, (ast.Compare, ast.UnaryOp, ast.BoolOp)) and _is_truth(node.value) else None
    )


def _is_truth(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return node.value is True or node.value is False
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not) and (chain(node.operand) is not None or _is_truth(node.operand))
    if isinstance(node, ast.BoolOp):
        return all(_is_truth(value) for value in node.values)
    return isinstance(node, ast.Compare) and atom_text(node) is not None


def _atoms(test: ast.expr) -> list[str]:
    if isinstance(test, ast.BoolOp):
        return [text for value in test.values for text in _atoms(value)]
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _atoms(test.operand)
    if isinstance(test, ast.Compare) and _against_nothing(test):
        return _atoms(test.left)
    text = atom_text(test)
    return [text] if text is not None else []


def assume(test: ast.expr, state: State, truth: bool, memorable: frozenset[str]) -> list[State]:
    """The points that ``state`` may go on from when ``test`` turns out as ``truth``; none when it cannot."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return assume(test.operand, state, not truth, memorable)
    if isinstance(test, ast.BoolOp):
        return _assume_bool(test, state, truth, memorable)
    if isinstance(test, ast.Constant):
        return [state] if bool(test.value) == truth else []
    if isinstance(test, ast.NamedExpr):
        return assume(test.target, state, truth, memorable)
    if isinstance(test, ast.Compare):
        kept = _assume_compare(test, state, truth, memorable)
        if kept is not None:
            return kept
    if isinstance(test, ast.Attribute) and test.attr in ("closed", "is_closed"):
        return _assume_closed(test.value, state, truth)
    if isinstance(test, ast.Call):
        return _assume_call(test, state, truth)
    text = atom_text(test)
    if text is None:
        return [state]
    held = state.holds(text) | state.bound.get(text + ".*", frozenset())
    if held and any(state.status.get(key) in (OPEN, CLOSED) for key in held):
        return [state] if truth else []
    return _remember(text, state, truth, memorable)


def _assume_bool(test: ast.BoolOp, state: State, truth: bool, memorable: frozenset[str]) -> list[State]:
    all_needed = isinstance(test.op, ast.And) == truth
    states = [state]
    if all_needed:
        for value in test.values:
            states = [after for before in states for after in assume(value, before, truth, memorable)]
        return states
    result: dict[State, None] = {}
    for value in test.values:
        for before in states:
            result.update(dict.fromkeys(assume(value, before, truth, memorable)))
        states = [after for before in states for after in assume(value, before, not truth, memorable)]
    return list(result)


def _assume_compare(test: ast.Compare, state: State, truth: bool, memorable: frozenset[str]) -> list[State] | None:
    if _against_nothing(test):
        empty_when_true = isinstance(test.ops[0], (ast.Is, ast.Eq))
        return assume(test.left, state, truth != empty_when_true, memorable)
    if len(test.ops) != 1 or not isinstance(test.ops[0], (ast.Is, ast.IsNot, ast.Eq, ast.NotEq)):
        return None
    for side in (test.left, test.comparators[0]):
        text = chain(side)
        held = state.holds(text) if text is not None else frozenset()
        if state.any_open(held):
            # What was opened here is never the cursor that it is compared with.
            same_when_true = isinstance(test.ops[0], (ast.Is, ast.Eq))
            return [] if truth == same_when_true else [state]
    return None


def _against_nothing(test: ast.Compare) -> bool:
    """``x is None``, ``x != None``, ``x == False``."""
    last = test.comparators[-1]
    return (
        len(test.ops) == 1
        and isinstance(last, ast.Constant)
        and (last.value is None or last.value is False)
        and isinstance(test.ops[0], (ast.Is, ast.IsNot, ast.Eq, ast.NotEq))
    )


def _assume_closed(receiver: ast.expr, state: State, truth: bool) -> list[State]:
    held = _held(receiver, state)
    if state.any_open(held):
        return [] if truth else [state]
    if held and all(state.status.get(key) == CLOSED for key in held):
        return [state] if truth else []
    return [state]


def _assume_call(test: ast.Call, state: State, truth: bool) -> list[State]:
    """``hasattr(conn, "close")`` holds for what is open, ``conn.is_closed()`` does not."""
    if isinstance(test.func, ast.Name) and test.func.id in ("hasattr", "isinstance", "bool") and test.args:
        if state.any_open(_held(test.args[0], state)):
            return [state] if truth else []
    elif isinstance(test.func, ast.Attribute) and test.func.attr in ("closed", "is_closed"):
        return _assume_closed(test.func.value, state, truth)
    return [state]


def _held(node: ast.expr, state: State) -> frozenset[Opened]:
    text = chain(node)
    return state.holds(text) if text is not None else frozenset()


def _remember(text: str, state: State, truth: bool, memorable: frozenset[str]) -> list[State]:
    known = state.facts.get(text)
    if known is not None:
        return [state] if known == truth else []
    return [state.decided(text, truth)] if text in memorable else [state]
