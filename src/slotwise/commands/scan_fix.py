"""The mechanical cures of a scan: shown as a diff, written with ``--fix``."""

from __future__ import annotations

import ast
import difflib
import io
import tokenize
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import msgspec

from slotwise.collectors.addon_files import read_bytes
from slotwise.errors import OperatorError
from slotwise.leaks.mending import applied, rewritten
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
        return None if text is None else tuple(_lines(text))

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


class Rewritten(msgspec.Struct, frozen=True):
    """A file that was cured: which patterns, and its text before and after. ``problem`` says why it was not written."""

    path: str
    patterns: tuple[str, ...]
    before: str
    after: str
    problem: str = ""


def fix_files(report: ScanReport, base: Path) -> list[Rewritten]:
    """Write the mechanical cures of all active findings, and return what became of each file that has some.

    A file is replaced whole, by renaming a new one over it, so that a full disk or ^C leaves the old one; its rights,
    encoding and line ends stay. It is left alone when it changed since the scan, cannot be decoded as it declares, or
    would not parse afterwards.
    """
    by_path: dict[str, list[Leak]] = {}
    for judged in report.active:
        if judged.leak.edits:
            by_path.setdefault(judged.leak.path, []).append(judged.leak)
    done = []
    for shown, leaks in sorted(by_path.items()):
        path = base / shown
        decoded = _decoded(path)
        mended = _mended(decoded[0], leaks) if decoded is not None else None
        if decoded is None or mended is None or mended == decoded[0]:
            continue
        patterns = tuple(sorted({leak.pattern_id for leak in leaks}))
        problem = _put(path, mended.encode(decoded[1]))
        done.append(Rewritten(shown, patterns, decoded[0], mended, problem))
    return done


def said(done: list[Rewritten]) -> list[str]:
    """What is told about files that were cured, perhaps in several rounds: the patterns and the whole diff of each."""
    first: dict[str, Rewritten] = {}
    for item in done:
        old = first.get(item.path)
        patterns = tuple(sorted({*(old.patterns if old else ()), *item.patterns}))
        first[item.path] = Rewritten(item.path, patterns, old.before if old else item.before, item.after, item.problem)
    lines = []
    for path, item in sorted(first.items()):
        if item.problem:
            lines.append(f"{path}: not written: {item.problem}")
            continue
        lines.append(f"{path}: cured {', '.join(item.patterns)}")
        before, after = (text.removeprefix(_BOM).splitlines() for text in (item.before, item.after))
        lines += difflib.unified_diff(before, after, path, path, lineterm="", n=_CONTEXT_LINES)
    return lines


def _put(path: Path, data: bytes) -> str:
    """Replace the file, or say why it was not."""
    from slotwise.apply.files import replace_file

    try:
        if not path.stat().st_mode & 0o222:
            return "it is read-only"
        replace_file(str(path), data)
    except OSError as error:
        return error.strerror or "cannot be read"
    except OperatorError as error:
        return f"{error.problem}; {error.remedy}"
    return ""


def _decoded(path: Path) -> tuple[str, str] | None:
    """The text of a file and the encoding that it declares (PEP 263); None where it is not in that encoding."""
    data = read_bytes(str(path))
    if isinstance(data, str):
        return None
    try:
        encoding = "utf-8" if data.startswith(_BOM.encode()) else tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        text = data.decode(encoding)
        return (text, encoding) if text.encode(encoding) == data else None
    except (SyntaxError, UnicodeError, LookupError):
        return None


def _text(path: Path) -> str | None:
    decoded = _decoded(path)
    return None if decoded is None else decoded[0]


def _mended(text: str, leaks: list[Leak]) -> str | None:
    """``text`` with the edits of ``leaks``; None when it is no longer what was scanned, or when that does not parse."""
    bom = _BOM if text.startswith(_BOM) else ""
    lines = _lines(text)
    if any(leak.line > len(lines) or lines[leak.line - 1].strip() != leak.source_line for leak in leaks):
        return None
    edits = [edit for leak in leaks for edit in leak.edits]
    imports = tuple(dict.fromkeys(line for leak in leaks for line in leak.imports))
    try:
        mended = rewritten(text.removeprefix(_BOM), edits, imports)
        ast.parse("\n".join(_lines(mended)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return bom + mended


def _lines(text: str) -> list[str]:
    return text.removeprefix(_BOM).replace("\r\n", "\n").replace("\r", "\n").split("\n")
