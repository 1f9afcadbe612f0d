"""The mechanical cures of a scan: shown as a diff, written with ``--fix``."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from slotwise.collectors.addon_files import read_bytes
from slotwise.leaks.mending import applied, with_imports
from slotwise.leaks.report import Judged, ScanReport
from slotwise.leaks.verdicts import Edit, Leak

_BOM = "\ufeff"
_CONTEXT_LINES = 2


def differ(base: Path) -> Callable[[Judged], str]:
    """A function that gives the cure of a finding as a unified diff of the lines around it, "" if it is not mechanical.

    It reads each file once, as long as the findings of one file are asked for one after another.
    """

    @lru_cache(maxsize=1)
    def lines_of(path: Path) -> tuple[str, ...] | None:
        text = _text(path)
        return None if text is None else tuple(text.removeprefix(_BOM).replace("\r\n", "\n").split("\n"))

    def diff_of(judged: Judged) -> str:
        leak = judged.leak
        lines = lines_of(base / leak.path) if leak.edits else None
        return "" if lines is None else _diff(leak, lines)

    return diff_of


def _diff(leak: Leak, lines: tuple[str, ...]) -> str:
    shown = [f"--- {leak.path}", f"+++ {leak.path} (cured)"]
    shown += [line for name in leak.imports for line in ("@@ imports @@", f"+{name}")]
    for edit in leak.edits:
        first, last = max(edit.first_line - _CONTEXT_LINES, 1), edit.last_line + _CONTEXT_LINES
        old = list(lines[first - 1 : last])
        new = applied(old, [Edit(edit.first_line - first + 1, edit.last_line - first + 1, edit.new_text)])
        shown.append(f"@@ -{first},{len(old)} +{first},{len(new)} @@")
        shown += list(difflib.unified_diff(old, new, lineterm="", n=len(old)))[3:]
    return "\n".join(shown)


def fix_files(report: ScanReport, base: Path) -> list[str]:
    """Write the mechanical cures of all active findings, and return one line for each file that was changed.

    A file is written only when the result still parses, and only when it is UTF-8: its line ends stay as they are.
    """
    by_path: dict[str, list[Leak]] = {}
    for judged in report.active:
        if judged.leak.edits:
            by_path.setdefault(judged.leak.path, []).append(judged.leak)
    notes = []
    for shown, leaks in sorted(by_path.items()):
        path = base / shown
        text = _text(path)
        mended = _mended(text, leaks) if text is not None else None
        if text is None or mended is None or mended == text:
            continue
        try:
            with path.open("w", encoding="utf-8", newline="") as handle:
                handle.write(mended)
        except OSError as error:
            notes.append(f"{shown}: not written: {error.strerror}")
            continue
        notes.append(f"{shown}: cured {', '.join(sorted({leak.pattern_id for leak in leaks}))}")
    return notes


def _text(path: Path) -> str | None:
    data = read_bytes(str(path))
    if isinstance(data, str):
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _mended(text: str, leaks: list[Leak]) -> str | None:
    """``text`` with the edits of ``leaks``, or None when that does not parse."""
    bom = text.startswith(_BOM)
    line_end = "\r\n" if "\r\n" in text else "\n"
    lines = text.removeprefix(_BOM).replace("\r\n", "\n").split("\n")
    edited = applied(lines, [edit for leak in leaks for edit in leak.edits])
    try:
        edited = with_imports(edited, tuple(dict.fromkeys(line for leak in leaks for line in leak.imports)))
        ast.parse("\n".join(edited))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return (_BOM if bom else "") + line_end.join(edited)
