"""Links a leaking process to the lines of its addons that may leak, where the addons can be read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from slotwise.errors import OperatorError
from slotwise.findings import Evidence, Finding, Verdict
from slotwise.rules.diagnosis import Diagnosis
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.processes import Processes

if TYPE_CHECKING:
    from slotwise.leaks.verdicts import Leak

LEAKING = "leaking-process"
PATTERNS = ("SW60", "SW61")
"""Connections and cursors that stay open; what is held too long (SW62x) is no leak."""

MOST_LINES = 5
MOST_FILES = 4_000
"""Beyond this a scan takes seconds that an incident does not have; `slotwise scan` is then named, not run."""


def with_suspicious_lines(diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis with the most suspicious lines added to what it says about leaking processes.

    Odoo's own addons are left out. Nothing changes where nothing leaks, where the addons are not readable, or where
    they belong to another file system (a container).
    """
    verdict = next((v for v in diagnosis.verdicts if v.slug == LEAKING and v.findings), None)
    if verdict is None:
        return diagnosis
    lines = suspicious_lines(_addons_paths(diagnosis))
    if not lines:
        return diagnosis
    changed = structs.replace(verdict, findings=tuple(_with_lines(f, lines) for f in verdict.findings))
    verdicts: tuple[Verdict, ...] = tuple(changed if v is verdict else v for v in diagnosis.verdicts)
    return structs.replace(diagnosis, verdicts=verdicts)


def suspicious_lines(paths: tuple[Path, ...]) -> tuple[Leak, ...]:
    """The worst leaks that a scan of the addons finds, at most MOST_LINES; empty where it finds none or cannot look."""
    from slotwise.commands.scan import ScanOptions, scan

    if not paths or _count_files(paths) > MOST_FILES:
        return ()
    try:
        report = scan(
            ScanOptions(paths=paths, odoo_conf=Path("odoo.conf"), base=Path("/"), select=PATTERNS, cache=False)
        )
    except (OperatorError, OSError):
        return ()
    leaks = sorted((j.leak for j in report.active), key=lambda leak: (-leak.severity, leak.path, leak.line))
    return tuple(leaks[:MOST_LINES])


def _addons_paths(diagnosis: Diagnosis) -> tuple[Path, ...]:
    odoo, processes = diagnosis.snapshot.odoo, diagnosis.snapshot.processes
    if not isinstance(odoo, Odoo):
        return ()
    found: dict[Path, None] = {}
    for instance in odoo.instances:
        running = [processes.find(pid) for pid in instance.processes] if isinstance(processes, Processes) else []
        if instance.container or any(process is not None and process.container for process in running):
            continue
        for name in instance.addons_paths:
            path = Path(name)
            if path.is_absolute() and path.is_dir() and os.access(path, os.R_OK) and not (path / "base").is_dir():
                found[path] = None
    return tuple(found)


def _count_files(paths: tuple[Path, ...]) -> int:
    count = 0
    for path in paths:
        for _, _, files in os.walk(path):
            count += sum(1 for name in files if name.endswith(".py"))
            if count > MOST_FILES:
                return count
    return count


def _with_lines(finding: Finding, lines: tuple[Leak, ...]) -> Finding:
    cited = tuple(
        Evidence("suspicious line", f"{leak.pattern_id} in {leak.function}", f"{_absolute(leak.path)}:{leak.line}")
        for leak in lines
    )
    return structs.replace(finding, evidence=(*finding.evidence, *cited))


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"
