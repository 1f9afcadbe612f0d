"""Source text of one addon in, findings out. Reads nothing, runs nothing of the addon."""

from __future__ import annotations

import re
from collections.abc import Iterable

from slotwise.leaks.analysis import Analysis
from slotwise.leaks.catalogue import registered
from slotwise.leaks.closures import RELEASES
from slotwise.leaks.facts import AddonFacts, Sighting, Waiting, opened_in
from slotwise.leaks.outline import AddonOutline, ModuleOutline, Unit
from slotwise.leaks.request_cursor import uses_of
from slotwise.leaks.source import (
    LARGEST_FILE_BYTES,
    SENDING_WORDS,
    SourceFile,
    count_lines,
    may_matter,
    parse,
    text_of,
)
from slotwise.leaks.sql_text import statements_of
from slotwise.leaks.verdicts import AddonResult, Leak, NotJudged, Pattern

_VERSION = re.compile(r"""^\s*["']version["']\s*:\s*["'](\d+\.0)\.""", re.MULTILINE)
_MOST_ROUNDS = 4
_IGNORE = re.compile(r"#\s*slotwise:\s*ignore(?:\[(?P<ids>[A-Za-z0-9_,\s-]*)\])?(?P<reason>[^#]*)")


def series_of(manifest: str) -> str | None:
    """The Odoo series that a manifest's version names ("18.0" of "18.0.1.2.3"), or None."""
    found = _VERSION.search(manifest)
    return found[1] if found else None


def scan_addon(
    name: str, files: Iterable[SourceFile], series: str | None, telling: list[SourceFile] | None = None
) -> AddonResult:
    """Scan the Python files of one addon together, so that calls are followed from file to file.

    ``telling`` are those that may matter (source.may_matter), where that has been asked already.
    """
    everything = list(files)
    if telling is None:
        telling = [file for file in everything if may_matter(file.data)]
    not_judged: dict[str, NotJudged] = {}
    outlines: dict[str, ModuleOutline] = {}
    _read(telling, name, outlines, not_judged)
    wrappers: frozenset[str] = frozenset()
    analysis = Analysis(AddonOutline(name, list(outlines.values())), wrappers)
    for _ in range(_MOST_ROUNDS):
        found = _wrapper_names(analysis)
        unread = [f for f in everything if f.path not in outlines and f.path not in not_judged]
        kept = analysis.kept_names()
        more = [f for f in unread if _may_name(f.data, found) or _may_close(f.data, kept)]
        if found <= wrappers and not more:
            break
        wrappers |= found
        if more:  # a call that meant nothing may now mean a function in one of them
            _read(more, name, outlines, not_judged)
            analysis = Analysis(AddonOutline(name, list(outlines.values())), wrappers)
        else:
            analysis = analysis.knowing(wrappers)
    facts = _facts(analysis, series, not_judged)
    leaks = _leaks(facts)
    lines = count_lines(everything)
    return AddonResult(leaks, tuple(not_judged.values()), len(everything), len(outlines), lines)


def _read(
    files: list[SourceFile], addon: str, outlines: dict[str, ModuleOutline], not_judged: dict[str, NotJudged]
) -> None:
    for file in files:
        if file.path in not_judged:
            continue
        if len(file.data) > LARGEST_FILE_BYTES:
            size = len(file.data) / 1e6
            not_judged[file.path] = NotJudged(file.path, f"is {size:.1f} MB, which is more than the scan parses")
            continue
        text = text_of(file.data)
        tree = parse(text)
        if isinstance(tree, str):
            not_judged[file.path] = NotJudged(file.path, f"cannot be parsed: {tree}")
            continue
        try:
            outlines[file.path] = ModuleOutline(file.path, file.module, tree, text, addon)
        except RecursionError:
            not_judged[file.path] = NotJudged(file.path, "is nested too deeply to be followed")


def _may_name(data: bytes, names: frozenset[str]) -> bool:
    return any(name.encode() in data for name in names)


def _may_close(data: bytes, names: frozenset[str]) -> bool:
    """Whether a file may give back what another one keeps under one of these names."""
    return _may_name(data, names) and any(word.encode() in data for word in RELEASES)


def _wrapper_names(analysis: Analysis) -> frozenset[str]:
    """Names of functions that hand out something open, also from another one, and of classes that hold it."""
    modules = analysis.addon.modules
    found = {unit.name for module in modules for unit in module.units if analysis.handout(unit) is not None}
    classes = (outline for module in modules for outline in module.classes.values())
    return frozenset(found | {outline.name for outline in classes if analysis.owner(outline) is not None})


def _facts(analysis: Analysis, series: str | None, not_judged: dict[str, NotJudged]) -> AddonFacts:
    facts = AddonFacts(analysis, series, [], [], [], [], [])
    for module in analysis.addon.modules:
        for unit in module.units:
            if not analysis.relevant(unit):
                continue
            try:
                if not _add_unit(facts, unit):
                    reason = f"{unit.qualname} has more paths than are worth following"
                    not_judged[module.path] = NotJudged(module.path, reason)
            except RecursionError:
                not_judged[module.path] = NotJudged(module.path, f"{unit.qualname} is nested too deeply to be followed")
    return facts


def _add_unit(facts: AddonFacts, unit: Unit) -> bool:
    """Note what is known of ``unit``; False where it has too many paths to be followed."""
    found = facts.analysis.facts(unit)
    if found.too_complex:
        return False
    facts.opened += opened_in(facts.analysis, found)
    facts.waiting += [Waiting(unit, call, slow, holding) for call, slow, holding in found.slow]
    facts.thread_uses += [(unit, call) for call in found.request_threads]
    text = unit.module.segment(unit.node)
    if any(word in text for word in ("commit(", "rollback(", "close(", "cr as ")):
        facts.request_uses += uses_of(unit)
    if any(word in text for word in SENDING_WORDS):
        facts.statements += statements_of(unit)
    return True


def _leaks(facts: AddonFacts) -> tuple[Leak, ...]:
    found = [_leak(pattern, sighting) for pattern, find in registered() for sighting in find(facts)]
    unique = {(leak.path, leak.line, leak.column, leak.pattern_id): leak for leak in found}
    return tuple(sorted(unique.values(), key=lambda leak: (leak.path, leak.line, leak.column, leak.pattern_id)))


def _leak(pattern: Pattern, sighting: Sighting) -> Leak:
    module = sighting.unit.module
    line: int = getattr(sighting.node, "lineno", 1)
    last: int = getattr(sighting.node, "end_lineno", None) or line
    return Leak(
        pattern_id=pattern.id,
        path=module.path,
        line=line,
        column=getattr(sighting.node, "col_offset", 0) + 1,
        end_line=last,
        function=sighting.unit.qualname,
        message=sighting.message,
        steps=sighting.steps,
        slots=sighting.slots,
        cure=sighting.cure,
        source_line=module.lines[line - 1].strip() if line <= len(module.lines) else "",
        severity=sighting.severity if sighting.severity is not None else pattern.severity,
        possible=sighting.possible,
        ignored=ignored_by(module.lines, line, last, pattern.id),
        edits=sighting.edits,
        imports=sighting.imports,
    )


def ignored_by(lines: list[str], first: int, last: int, pattern_id: str) -> str | None:
    """The reason of a ``# slotwise: ignore[SW601] reason`` on the lines of a statement, or on a comment right above it.

    "" when the comment gives no reason, None when there is no such comment. Without brackets it means every pattern.
    """
    above = lines[first - 2].strip() if first >= 2 else ""
    candidates = [lines[first - 1], lines[last - 1]] if last <= len(lines) else []
    for text in [above, *candidates] if above.startswith("#") else candidates:
        found = _IGNORE.search(text)
        if found and (found["ids"] is None or pattern_id in found["ids"].upper().replace(" ", "").split(",")):
            return found["reason"].strip()
    return None
