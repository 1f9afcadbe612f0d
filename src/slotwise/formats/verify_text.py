"""verify for a terminal: what is broken first, in Odoo's words, then what was seen."""

from __future__ import annotations

from slotwise.fixes.path_checks import Check, CheckState, PathReport
from slotwise.formats.terminal import Ink, paragraph, printable

_ORDER: tuple[CheckState, ...] = ("broken", "unknown", "works", "not-needed")
_MARKS = {"broken": ("✗", "red"), "unknown": ("?", "yellow"), "works": ("✓", "green"), "not-needed": ("–", "dim")}


def verify_text(report: PathReport, *, colour: bool = False, width: int = 100) -> str:
    """The report as lines of at most ``width`` characters, with a newline at the end."""
    ink = Ink(colour)
    lines = [*_head(report), ""]
    for state in _ORDER:
        for check in report.checks:
            if check.state == state:
                lines += _check(check, ink, width)
    lines += ["", *paragraph(_sum(report), width, "")]
    return "\n".join(lines) + "\n"


def _head(report: PathReport) -> list[str]:
    kind = {True: "through a pooler", False: "no pooler on the way", None: "no answer"}[report.through_pooler]
    who = f" as {printable(report.user)}" if report.user else ""
    lines = [f"path      {printable(report.path)}/{printable(report.database)}{who}, {kind}"]
    if report.direct is not None:
        lines.append(f"direct    {printable(report.direct)}")
    if report.server_version is not None:
        major, minor = divmod(report.server_version, 10000)
        lines.append(f"server    PostgreSQL {major}.{minor}")
    return lines


def _check(check: Check, ink: Ink, width: int) -> list[str]:
    mark, style = _MARKS[check.state]
    label = f"{mark} {check.state:<10}  {check.id:<22}"
    indent = " " * 14
    if check.state == "works":
        lines = paragraph(check.consequence, width, " " * (len(label) + 1), f"{label} ")
        return [ink(label, style) + lines[0][len(label) :], *lines[1:]]
    lines = [ink(label.rstrip(), style), *paragraph(check.consequence, width, indent)]
    if check.evidence:
        lines += [ink(line, "dim") for line in paragraph(f"seen: {evidence_words(check)}", width, indent)]
    if check.remedy:
        lines += paragraph(f"do: {check.remedy}", width, indent)
    return lines


def evidence_words(check: Check) -> str:
    """The evidence on one line: ``notifications sent 6, notifications arrived 0``."""
    return ", ".join(f"{seen.name} {_word(seen.value)}" for seen in check.evidence)


def _word(value: object) -> str:
    if value is None:
        return "not visible"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(value) if value == "" else str(value)


def _sum(report: PathReport) -> str:
    counts = {state: sum(1 for check in report.checks if check.state == state) for state in _ORDER}
    told = ", ".join(f"{counts[state]} {state}" for state in _ORDER if counts[state])
    used = f"{report.connections} connections, at most {report.most_connections} at once, {report.seconds:.1f} s"
    return f"{told}; {used}"
