"""A scan for people: each finding with its line, the path on which it stays open, the cost in slots and the cure."""

from __future__ import annotations

from collections.abc import Callable

from slotwise.findings import Severity
from slotwise.leaks.report import ACTIVE, BASELINED, IGNORED, Judged, ScanReport

_COLOURS = {Severity.CRITICAL: "31;1", Severity.WARNING: "33;1", Severity.INFO: "36;1"}


def scan_text(report: ScanReport, *, colour: bool = False, diff_of: Callable[[Judged], str] | None = None) -> str:
    """The report as text. ``diff_of`` gives the cure of a finding as a unified diff, or "" where it is not mechanical.

    Colour only repeats what the words say.
    """
    slugs = {pattern.id: pattern.slug for pattern in report.patterns}
    blocks = [_block(judged, slugs, colour, diff_of) for judged in report.active]
    blocks += [f"{item.path}: not judged: {item.reason}" for item in report.not_judged]
    blocks.append(summary(report))
    return "\n\n".join(blocks) + "\n"


def _block(judged: Judged, slugs: dict[str, str], colour: bool, diff_of: Callable[[Judged], str] | None) -> str:
    leak = judged.leak
    possible = "possible " if leak.possible else ""
    word = f"{possible}{leak.severity.word}"
    painted = f"\033[{_COLOURS[leak.severity]}m{word}\033[0m" if colour else word
    lines = [
        f"{leak.path}:{leak.line}:{leak.column}: {painted} {leak.pattern_id} {slugs.get(leak.pattern_id, '')}",
        f"  {leak.message}",
        f"  {leak.line:>6} | {leak.source_line}",
    ]
    head = "  path "
    for step in leak.steps:
        lines.append(f"{head} {step.line:>5}  {step.text}")
        head = "       "
    lines += [f"  slots  {leak.slots}", f"  cure   {leak.cure}"]
    diff = diff_of(judged) if diff_of else ""
    lines += [f"         {line}" for line in diff.splitlines()]
    return "\n".join(lines)


def summary(report: ScanReport) -> str:
    """One line of counts; what was ignored, baselined or not judged is never left out."""
    active = report.count(ACTIVE)
    parts = [f"{report.count(ACTIVE, severity)} {severity.word}" for severity in sorted(Severity, reverse=True)]
    text = f"{_counted(active, 'finding')} ({', '.join(parts)}) in {_counted(report.files, 'file')}"
    text += f", {_counted(report.lines, 'line')}, {_counted(report.addons, 'addon')}"
    text += f"; {report.count(IGNORED)} ignored by comment, {report.count(BASELINED)} in the baseline"
    text += f"; {len(report.not_judged)} not judged"
    if report.skipped_addons:
        text += f"; {len(report.skipped_addons)} of Odoo's own addons left out"
    return text


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
