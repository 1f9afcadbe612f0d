"""The words that patterns share: the path of a leak line by line, and what it costs in slots."""

from __future__ import annotations

import ast

from slotwise.leaks.facts import Opened
from slotwise.leaks.resources import CURSOR, POOLS, article
from slotwise.leaks.verdicts import Step

_LONGEST_SOURCE = 60


def source(node: ast.AST) -> str:
    """``node`` as source text, shortened to one line."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _LONGEST_SOURCE else text[: _LONGEST_SOURCE - 3] + "..."


def path_of(opened: Opened) -> tuple[Step, ...]:
    """The lines on which it is opened and then left open."""
    opening = opened.opening
    line = getattr(opening.call, "lineno", 0)
    by = f" (through {opening.handed_by}())" if opening.handed_by else ""
    steps = [Step(line, f"opens {article(opening.kind.noun)}{by}")]
    if opening.lost_line is not None:
        again = "the next turn of the loop opens another one" if opening.lost_line == line else "the name is given away"
        steps.append(Step(opening.lost_line, f"{again}; nothing holds the first any more"))
    for way, node in opened.ways.items():
        steps.append(_leaving(way, node, opened))
    return tuple(steps)


def _leaving(way: str, node: ast.AST, opened: Opened) -> Step:
    line = getattr(node, "lineno", 1)
    if way == "end":
        last = getattr(opened.unit.node, "end_lineno", None) or len(opened.unit.module.lines)
        return Step(last, "the function ends, and it is still open")
    if way == "return":
        return Step(line, "returns, and it is still open")
    if way == "raise":
        return Step(line, "raises, and it is still open")
    if isinstance(node, (ast.Yield, ast.YieldFrom)):
        return Step(line, "if the consumer raises or stops here, nothing gives it back")
    if isinstance(node, ast.Raise):
        return Step(line, "raises on, and it is still open")
    return Step(line, f"if `{source(node)}` raises, nothing gives it back")


def slots_of(opened: Opened, series: str | None) -> str:
    """What a thing that is not given back costs, in connection slots."""
    kind = opened.opening.kind
    if kind.name in POOLS:
        return (
            "The pool keeps its connections open after the call, outside db_maxconn: each call may leave its pool's "
            "size in slots behind until Python frees the object."
        )
    if kind is CURSOR:
        return f"One connection of db_maxconn stays borrowed and idle in transaction {_until(series)}."
    return (
        "One slot of max_connections that Odoo does not count (outside db_maxconn), often idle in transaction, "
        "until Python frees the object or the process ends."
    )


def _until(series: str | None) -> str:
    if series is not None and series >= "19":
        return (
            "until the garbage collector runs: Odoo 19 holds a cursor in a reference cycle once an Environment was "
            "made of it"
        )
    return "until Python frees the cursor: when the function returns, or after an exception when its traceback goes"


def is_own_object(opened: Opened) -> bool:
    """Whether what keeps it is an object of the class itself (or a test class), not something that lives for ever."""
    kept = opened.opening.kept
    if kept is None:
        return False
    in_test = opened.unit.module.is_test or (opened.unit.owner is not None and opened.unit.owner.role == "test")
    return kept.how == "self" or (kept.how == "class" and in_test)
