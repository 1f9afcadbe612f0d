"""One path through a function: which names hold which connections, and which of those are still open."""

from __future__ import annotations

import ast

from slotwise.leaks.resources import Kind

#: A thing that was opened, known by the place of the call that opened it (line, column).
Opened = tuple[int, int]

OPEN, CLOSED, HANDED_OUT, OWNED, UNKNOWN = "open", "closed", "handed out", "owned", "unknown"


class Opening:
    """A call that opens something, and all that is learnt about what becomes of it on the paths of its function."""

    def __init__(self, key: Opened, kind: Kind, call: ast.AST, handed_by: str | None, in_loop: ast.stmt | None) -> None:
        self.key = key
        self.kind = kind
        self.call = call
        self.handed_by = handed_by
        self.in_loop = in_loop
        self.closed = False  # given back, or handed to an owner, on some path
        self.given_back = False
        self.escapes = False  # handed to the caller or to another owner on some path
        self.with_used = False
        self.managed = False
        self.lost_line: int | None = None
        self.replaced = False  # its name went to something else that was opened
        self.thread_line: int | None = None
        self.thread_known = False
        self.yield_line: int | None = None
        self.kept: KeptAt | None = None
        self.unknown_line: int | None = None
        self.while_cursor_open = False
        self.exits: dict[str, tuple[int, str]] = {}


class KeptAt:
    """Where something is kept beyond its function: ``how`` is self, class, global, object, closure or cache."""

    def __init__(self, how: str, name: str, line: int) -> None:
        self.how = how
        self.name = name
        self.line = line


#: How an expression holds a thing: it is the thing, holds it somewhere inside, or is a cursor of that connection.
DIRECT, INSIDE, BY_CURSOR = "", ".*", ".connection"


class Value:
    """What an expression yields: the opened things in it, and how it holds them."""

    __slots__ = ("closing", "items", "keys", "parts", "via")

    def __init__(
        self,
        keys: frozenset[Opened] = frozenset(),
        via: str = DIRECT,
        *,
        closing: bool = False,
        parts: tuple[Value, ...] | None = None,
        items: tuple[tuple[str, Value], ...] = (),
    ) -> None:
        self.keys = keys
        self.via = via
        self.closing = closing
        self.parts = parts
        self.items = items  # of a literal dictionary: what each constant key holds


NOTHING = Value()

Bindings = dict[str, frozenset[Opened]]


class State:
    """An immutable point on a path. ``bound`` maps a name to what it holds; a name that ends in ``.*`` holds it
    somewhere inside. ``facts`` are conditions already decided on this path."""

    __slots__ = ("_key", "bound", "facts", "status")

    def __init__(self, bound: Bindings, status: dict[Opened, str], facts: dict[str, bool]) -> None:
        self.bound = bound
        self.status = status
        self.facts = facts
        self._key = (frozenset(bound.items()), frozenset(status.items()), frozenset(facts.items()))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self._key == other._key

    def holds(self, name: str) -> frozenset[Opened]:
        """What the name itself holds."""
        return self.bound.get(name, frozenset())

    def holds_inside(self, text: str) -> frozenset[Opened]:
        """What is held inside the root of the dotted chain ``text``, or inside any prefix of it."""
        found: frozenset[Opened] = frozenset()
        parts = text.split(".")
        for length in range(1, len(parts) + 1):
            found |= self.bound.get(".".join(parts[:length]) + ".*", frozenset())
        return found

    def holds_items(self, name: str) -> frozenset[Opened]:
        """What is held under constant keys of the container called ``name``."""
        if not any("[" in bound for bound in self.bound):
            return frozenset()
        found: frozenset[Opened] = frozenset()
        for bound, keys in self.bound.items():
            if bound.startswith(name + ".["):
                found |= keys
        return found

    def any_open(self, names: frozenset[Opened]) -> bool:
        """Whether one of these is open here."""
        return any(self.status.get(key) == OPEN for key in names)

    def with_status(self, keys: frozenset[Opened], status: str) -> State:
        """The same point with these things in another status; things never opened on this path stay unopened."""
        changed = {key: status for key in keys if key in self.status and self.status[key] != status}
        return State(self.bound, {**self.status, **changed}, self.facts) if changed else self

    def opened(self, key: Opened) -> State:
        """The same point with ``key`` open."""
        return State(self.bound, {**self.status, key: OPEN}, self.facts)

    def without(self, keys: frozenset[Opened]) -> State:
        """The same point where these were never opened (a guard has just said so)."""
        return State(self.bound, {k: v for k, v in self.status.items() if k not in keys}, self.facts)

    def assigned(self, name: str, value: Value, truth: bool | None) -> State:
        """The same point after ``name = value``; ``truth`` is the known truth of the value, or None."""
        bound = {k: v for k, v in self.bound.items() if k not in (name, name + ".*") and not k.startswith(name + ".")}
        facts = {k: v for k, v in self.facts.items() if not _mentions(k, name)} if self.facts else {}
        if value.items:
            for key, held in value.items:
                bound[f"{name}.{key}{held.via}"] = held.keys
        elif value.keys:
            bound[name + value.via] = value.keys
        elif truth is not None:
            facts[name] = truth
        return State(bound, self.status, facts)

    def bound_inside(self, name: str, keys: frozenset[Opened]) -> State:
        """The same point after ``keys`` were put into the container or object called ``name``."""
        inside = name + ".*"
        return State({**self.bound, inside: self.bound.get(inside, frozenset()) | keys}, self.status, self.facts)

    def decided(self, condition: str, truth: bool) -> State:
        """The same point, knowing that ``condition`` is ``truth``."""
        return State(self.bound, self.status, {**self.facts, condition: truth})

    def forgetful(self) -> State:
        """The same point without decided conditions: coarser, so that fewer points are told apart."""
        return State(self.bound, self.status, {}) if self.facts else self


def _mentions(condition: str, name: str) -> bool:
    """Whether the text of a condition uses ``name`` as a whole word."""
    start = condition.find(name)
    while start >= 0:
        end = start + len(name)
        before = condition[start - 1] if start else " "
        after = condition[end] if end < len(condition) else " "
        if not (before.isalnum() or before in "_.") and not (after.isalnum() or after == "_"):
            return True
        start = condition.find(name, end)
    return False
