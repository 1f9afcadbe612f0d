"""The cure of a leak as edited lines, where it is mechanical: the work is put into ``with closing(...)``.

``closing`` closes and nothing else, so a commit stays where it was written; Odoo's own ``with cursor`` would commit.
Nothing is offered where the name is used outside the block, in a nested function, or on a shared line.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from slotwise.leaks.facts import Opened
from slotwise.leaks.outline import ModuleOutline, every_node
from slotwise.leaks.verdicts import Edit

IMPORT = "from contextlib import closing"
_CLOSING = re.compile(r"(?<!contextlib\.)\bclosing\b(?=\s*[=(,.)])")
_CURED = ("never", "success", "branches")


def cure_of(opened: Opened) -> tuple[tuple[Edit, ...], tuple[str, ...]]:
    """The edits that put what was opened into a ``with`` block, and the imports that they need; both empty if none."""
    module, opening = opened.unit.module, opened.opening
    if opened.fate not in _CURED or opening.managed or opening.kept is not None or opened.unit.yields:
        return (), ()
    if opening.escapes or opening.thread_line is not None:
        return (), ()
    if not _may_say_closing(module) or not opened.unit.is_function:
        return (), ()
    if "close" not in opening.kind.releases:
        return (), ()
    edit = _wrapped_block(opened, module) or _closed_with(opened, module)
    if edit is None:
        return (), ()
    return (edit,), () if "closing" in module.names else (IMPORT,)


def _may_say_closing(module: ModuleOutline) -> bool:
    """Whether ``closing`` is contextlib's in this file, or is free to become it."""
    if "closing" in module.names:
        return module.names["closing"] == "contextlib.closing"
    return not _CLOSING.search(module.text)


def rewritten(text: str, edits: list[Edit], imports: tuple[str, ...]) -> str:
    """``text`` after the edits, with import lines that it lacks before its first ordinary import.

    Every line keeps its own line end; a new one gets that of the line it replaces. Of edits that overlap, the later one
    in the file is made. Raises SyntaxError where the result is no Python.
    """
    pieces = _LINE_END.split(text)
    lines = list(zip(pieces[0::2], [*pieces[1::2], ""], strict=True))
    for edit in _apart(edits, len(lines)):
        old = lines[edit.first_line - 1 : edit.last_line]
        new = edit.new_text.removesuffix("\n").split("\n")
        ends = [old[0][1] or _usual_end(lines)] * (len(new) - 1) + [old[-1][1]]
        lines[edit.first_line - 1 : edit.last_line] = zip(new, ends, strict=True)
    contents = [content for content, _ in lines]
    tree = ast.parse("\n".join(contents))
    missing = [line for line in imports if line not in contents]
    if missing:
        place = _import_place(tree)
        lines[place:place] = [(line, lines[place][1] or _usual_end(lines)) for line in missing]
    return "".join(content + end for content, end in lines)


def applied(lines: list[str], edits: list[Edit]) -> list[str]:
    """``lines`` after the edits, from the last to the first; an edit that overlaps a later one is left out."""
    result = list(lines)
    for edit in _apart(edits, len(lines)):
        result[edit.first_line - 1 : edit.last_line] = edit.new_text.removesuffix("\n").split("\n")
    return result


_LINE_END = re.compile(r"(\r\n|\r|\n)")


def _usual_end(lines: list[tuple[str, str]]) -> str:
    return next((end for _, end in lines if end), "\n")


def _apart(edits: list[Edit], count: int) -> Iterator[Edit]:
    """The edits from the last to the first, without those that overlap a later one."""
    untouched_from = count + 1
    for edit in sorted(edits, key=lambda e: -e.first_line):
        if edit.last_line < untouched_from:
            yield edit
            untouched_from = edit.first_line


def _import_place(tree: ast.Module) -> int:
    """How many lines stand before the first ordinary import, or before the first statement after the docstring."""
    place = 0
    for statement in tree.body:
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        if not (docstring or future):
            return statement.lineno - 1 if isinstance(statement, (ast.Import, ast.ImportFrom)) else place
        place = statement.end_lineno or statement.lineno
    return place


def _wrapped_block(opened: Opened, module: ModuleOutline) -> Edit | None:
    """``cr = X.cursor()`` and what follows become ``with closing(X.cursor()) as cr:`` and an indented block."""
    found = _assignment(opened)
    if found is None:
        return None
    statement, name, rest = found
    closes = [i for i, s in enumerate(rest) if _is_close(s, name)]
    inside = rest[: closes[-1]] if closes else rest
    after = rest[closes[-1] + 1 :] if closes else []
    inside = [s for s in inside if not _is_close(s, name)]
    if not inside or _mentioned(after, name) or not _only_in(opened, name, statement, rest):
        return None
    dropped = {line for i in closes for line in range(rest[i].lineno, (rest[i].end_lineno or 0) + 1)}
    first, last = statement.lineno, (rest[closes[-1]] if closes else rest[-1]).end_lineno or statement.lineno
    if not _alone(module, statement) or any(not _alone(module, s) for s in (*rest[: len(rest) - len(after)],)):
        return None
    indent = module.lines[first - 1][: statement.col_offset]
    step = "\t" if "\t" in indent else "    "
    call = _source(module, statement.value)
    after_statement = module.lines[(statement.end_lineno or first) - 1].encode()[statement.end_col_offset :]
    comment = after_statement.decode("utf-8", "replace").rstrip()
    head = f"{indent}with closing({call}) as {name}:{comment}"
    fixed = _inside_strings(inside)
    begin = (statement.end_lineno or first) + 1
    body = [
        line if number in fixed or not line.strip() else step + line
        for number, line in enumerate(module.lines[begin - 1 : last], begin)
        if number not in dropped
    ]
    return Edit(first, last, "\n".join([head, *body]) + "\n")


def _closed_with(opened: Opened, module: ModuleOutline) -> Edit | None:
    """``with connect() as conn:`` becomes ``with closing(connect()) as conn, conn:``."""
    call = opened.opening.call
    for node in opened.unit.nodes:
        if not isinstance(node, ast.With):
            continue
        for item in node.items:
            target = item.optional_vars
            if item.context_expr is not call or not isinstance(target, ast.Name) or not isinstance(call, ast.Call):
                continue
            first, last = call.lineno, target.end_lineno or target.lineno
            lines = list(module.lines[first - 1 : last])
            if not all(line.isascii() for line in lines):
                return None
            marks = [
                (target.end_lineno or last, target.end_col_offset or 0, f", {target.id}"),
                (call.end_lineno or first, call.end_col_offset or 0, ")"),
                (call.lineno, call.col_offset, "closing("),
            ]
            for line, column, text in marks:
                old = lines[line - first]
                lines[line - first] = old[:column] + text + old[column:]
            return Edit(first, last, "\n".join(lines) + "\n")
    return None


def _assignment(opened: Opened) -> tuple[ast.Assign, str, list[ast.stmt]] | None:
    """The statement ``name = <the opening call>``, the name, and the statements that follow it in its block."""
    call = opened.opening.call
    for node in [opened.unit.node, *opened.unit.nodes]:
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if not isinstance(block, list):
                continue
            for position, statement in enumerate(block):
                if not isinstance(statement, ast.Assign) or statement.value is not call:
                    continue
                target = statement.targets[0]
                if len(statement.targets) == 1 and isinstance(target, ast.Name) and block[position + 1 :]:
                    return statement, target.id, block[position + 1 :]
                return None
    return None


def _is_close(statement: ast.stmt, name: str) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(statement.value.func, ast.Attribute)
        and statement.value.func.attr == "close"
        and isinstance(statement.value.func.value, ast.Name)
        and statement.value.func.value.id == name
    )


def _mentioned(statements: list[ast.stmt], name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for s in statements for n in every_node(s))


def _only_in(opened: Opened, name: str, statement: ast.Assign, rest: list[ast.stmt]) -> bool:
    """Whether the name lives in this block only: not given another value, not used outside or by a nested function."""
    inside = {id(n) for s in (statement, *rest) for n in every_node(s)}
    for node in opened.unit.all_nodes:
        if isinstance(node, ast.Name) and node.id == name:
            if id(node) not in inside:
                return False
            if isinstance(node.ctx, (ast.Store, ast.Del)) and node is not statement.targets[0]:
                return False
        nested = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and node is not opened.unit.node
        if nested and any(isinstance(n, ast.Name) and n.id == name for n in every_node(node)):
            return False
        if isinstance(node, (ast.Global, ast.Nonlocal)) and name in node.names:
            return False
    return True


def _alone(module: ModuleOutline, statement: ast.stmt) -> bool:
    """Whether nothing else stands on the statement's lines, and none of them ends in a backslash."""
    first, last = module.lines[statement.lineno - 1], module.lines[(statement.end_lineno or statement.lineno) - 1]
    start = first.encode()[: statement.col_offset].decode("utf-8", "replace")
    tail = last.encode()[statement.end_col_offset :].decode("utf-8", "replace").strip()
    lines = module.lines[statement.lineno - 1 : statement.end_lineno]
    return not start.strip() and (not tail or tail.startswith("#")) and not any(line.endswith("\\") for line in lines)


def _source(module: ModuleOutline, node: ast.expr) -> str:
    first, last = node.lineno, node.end_lineno or node.lineno
    lines = [line.encode() for line in module.lines[first - 1 : last]]
    lines[-1] = lines[-1][: node.end_col_offset]
    lines[0] = lines[0][node.col_offset :]
    return b"\n".join(lines).decode("utf-8", "replace")


def _inside_strings(statements: list[ast.stmt]) -> set[int]:
    """Numbers of lines that begin inside a string: what stands there is text, not layout."""
    found: set[int] = set()
    for statement in statements:
        for node in every_node(statement):
            if isinstance(node, ast.JoinedStr) or (
                isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
            ):
                found.update(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
    return found
