"""fix for people: each target with its reason, its risk, what brings it into force, and the diff."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from slotwise.fixes.diff import unified_diff
from slotwise.fixes.remedy import FixPlan, ReloadPgBouncer, ReloadPostgres, Remedy, RunSql, Step, WriteFile
from slotwise.formats.terminal import Ink, columns, paragraph, printable

_FORCE = {
    "now": "in force at once",
    "reload": "in force after a reload, which apply does",
    "login": "in force at the next login of each session",
    "restart": "in force after a restart",
}


def fix_text(plan: FixPlan, *, colour: bool = False, width: int = 100) -> str:
    """The proposal. Says so where there is nothing to change."""
    ink = Ink(colour)
    lines: list[str] = []
    for number, remedy in enumerate(plan.remedies, 1):
        lines += [*_remedy(number, remedy, ink, width), ""]
    if not plan.remedies:
        lines += ["Nothing to change here.", ""]
    if plan.refused:
        lines.append(ink("Refused, because it would break something:", "red", "bold"))
        for one in plan.refused:
            lines += paragraph(f"{one.what}: {one.why}", width, "    ", "  - ")
            lines += paragraph(f"instead: {one.instead}", width, "    ", "    ")
        lines.append("")
    if plan.notes:
        lines.append(ink("Left for you:", "bold"))
        for note in plan.notes:
            lines += paragraph(note, width, "    ", "  - ")
        lines.append("")
    return "\n".join(lines)


def _remedy(number: int, remedy: Remedy, ink: Ink, width: int) -> list[str]:
    rules = f"  [{', '.join(remedy.rules)}]" if remedy.rules else ""
    lines = [ink(f"{number}. {printable(remedy.target)}: {remedy.title}{rules}", "bold")]
    for reason in remedy.reasons:
        lines += paragraph(reason, width, "        ", "   why  ")
    for risk in remedy.risks:
        lines += paragraph(risk, width, "        ", "   risk ")
    force = _FORCE[remedy.activation] + (f"; {remedy.stops}" if remedy.stops else "")
    lines += paragraph(force, width, "        ", "   then ")
    lines.append("")
    for step in remedy.steps:
        lines += _step(step, ink)
    for file in remedy.files:
        lines.append(ink(f"# file {file.name}", "cyan"))
        lines += file.text.rstrip("\n").splitlines()
    lines += [ink(command, "cyan") for command in remedy.commands]
    return lines


def _step(step: Step, ink: Ink) -> list[str]:
    if isinstance(step, WriteFile):
        return [_coloured(_safe(line), ink) for line in unified_diff(step).splitlines()]
    if isinstance(step, RunSql):
        if step.secret:
            return [ink("-- a statement with a secret in it, not shown", "dim")]
        return [ink(f"{_safe(step.do)};", "green"), ink(f"-- back: {_safe(step.undo)};", "dim")]
    if isinstance(step, ReloadPostgres):
        return [ink("SELECT pg_reload_conf();", "green")]
    assert isinstance(step, ReloadPgBouncer)
    return [ink(f"RELOAD;  -- on PgBouncer's console {step.address}", "green")]


def _safe(line: str) -> str:
    """A line of a file as it is, without characters that would steer the terminal."""
    return "".join(c if c.isprintable() or c == "\t" else "·" for c in line)


def _coloured(line: str, ink: Ink) -> str:
    if line.startswith(("---", "+++")):
        return ink(line, "bold")
    style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
    return ink(line, style) if style else line


def diff_text(plan: FixPlan) -> str:
    """Nothing but diffs and statements: for review in a merge request. Passwords are hidden."""
    parts: list[str] = []
    for step in plan.steps:
        if isinstance(step, WriteFile):
            parts.append(unified_diff(step))
        elif isinstance(step, RunSql) and not step.secret:
            parts.append(f"{step.do};\n")
    return "".join(parts)


def history_text(rows: Sequence[tuple[str, float, str, tuple[str, ...]]]) -> str:
    """The journalled changes: id, moment in UTC, state, targets."""
    if not rows:
        return "No change was made.\n"
    table = [["id", "when (UTC)", "state", "what"]]
    for identifier, created, state, titles in rows:
        when = datetime.datetime.fromtimestamp(created, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
        table.append([identifier, when, state, printable(", ".join(titles))])
    return "\n".join(columns(table)) + "\n"
