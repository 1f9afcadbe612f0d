"""Classes of the addon whose instances hold a connection from ``__init__`` on: who makes one has to close it."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from slotwise.leaks.closures import closes_attribute
from slotwise.leaks.names import chain
from slotwise.leaks.outline import ClassOutline, Unit
from slotwise.leaks.resources import Kind, article
from slotwise.leaks.state import Opening

OWNER = "owner"
_LEAVING = frozenset({"__exit__", "__aexit__"})


def owner_kind(outline: ClassOutline, methods: dict[str, Unit], kept: Iterable[Opening]) -> Kind | None:
    """What an instance of ``outline`` is, when ``kept`` is what its ``__init__`` leaves open on ``self``.

    None when nothing is, when an instance cannot be told to give it back (SW608 reports the class then), or when it
    does so by itself (``__del__``).
    """
    held = [opening for opening in kept if opening.kept is not None and opening.kept.how == "self"]
    if not held:
        return None
    opening = held[0]
    assert opening.kept is not None
    attribute, with_releases = opening.kept.name, opening.kind.with_releases
    releases = {
        name
        for name, unit in methods.items()
        if name != "__init__" and closes_attribute(unit.all_nodes, attribute, "self", by_with=with_releases)
    }
    for _ in methods:
        more = {name for name, unit in methods.items() if name not in releases and _calls_own(unit, releases)}
        more.discard("__init__")
        if not more:
            break
        releases |= more
    if not releases or "__del__" in releases:
        return None
    noun = f"{outline.name} (it holds {article(opening.kind.noun)})"
    return Kind(OWNER, noun, frozenset(releases - _LEAVING), bool(releases & _LEAVING), attribute)


def _calls_own(unit: Unit, names: set[str]) -> bool:
    for node in unit.all_nodes:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in names
            and chain(node.func.value) == "self"
        ):
            return True
    return False
