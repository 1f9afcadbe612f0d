"""A scan for pipelines: SARIF, JUnit, GitHub annotations, GitLab code quality."""

from __future__ import annotations

import msgspec

from slotwise.findings import Severity
from slotwise.formats.junit import JunitCase, junit_bytes
from slotwise.formats.sarif import (
    SarifEdit,
    SarifLevel,
    SarifNotice,
    SarifResult,
    SarifRule,
    SarifStep,
    sarif_bytes,
)
from slotwise.leaks.report import ACTIVE, IGNORED, Judged, ScanReport

_LEVELS: dict[Severity, SarifLevel] = {
    Severity.CRITICAL: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "note",
}
_GITHUB = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_GITLAB = {Severity.CRITICAL: "critical", Severity.WARNING: "major", Severity.INFO: "info"}


def scan_sarif(report: ScanReport, version: str) -> bytes:
    """SARIF 2.1.0. What is ignored or baselined is there, marked as suppressed."""
    rules = tuple(
        SarifRule(p.id, p.slug, p.title, p.page, _LEVELS[p.severity], tags=("odoo", "postgresql", "connections"))
        for p in report.patterns
    )
    notices = tuple(SarifNotice("warning", f"not judged: {item.reason}", item.path) for item in report.not_judged)
    return sarif_bytes(version, rules, tuple(_result(j) for j in report.findings), notices)


def _result(judged: Judged) -> SarifResult:
    leak = judged.leak
    return SarifResult(
        leak.pattern_id,
        _LEVELS[leak.severity],
        f"{leak.message}. {leak.slots} {leak.cure}",
        leak.path,
        leak.line,
        leak.column,
        leak.end_line,
        leak.source_line,
        judged.fingerprint,
        None if judged.standing == ACTIVE else ("inSource" if judged.standing == IGNORED else "external"),
        leak.ignored or None,
        tuple(SarifStep(leak.path, step.line, step.text) for step in leak.steps),
        tuple(SarifEdit(leak.path, edit.first_line, edit.last_line, edit.new_text) for edit in leak.edits),
    )


def scan_junit(report: ScanReport) -> bytes:
    """JUnit XML: a failure for each finding, an error for each file that could not be judged."""
    cases = [
        JunitCase(
            judged.leak.path,
            f"{judged.leak.pattern_id} line {judged.leak.line}",
            "failed" if judged.standing == ACTIVE else "skipped",
            judged.leak.message if judged.standing == ACTIVE else f"{judged.standing}: {judged.leak.ignored or ''}",
            _detail(judged),
            judged.leak.severity.word,
            judged.leak.path,
            judged.leak.line,
        )
        for judged in report.findings
    ]
    cases += [JunitCase(item.path, "judged", "error", item.reason) for item in report.not_judged]
    if not cases:
        cases = [JunitCase("slotwise scan", f"{report.files} files", "passed")]
    return junit_bytes("slotwise scan", tuple(cases))


def _detail(judged: Judged) -> str:
    leak = judged.leak
    steps = [f"{step.line}: {step.text}" for step in leak.steps]
    return "\n".join([leak.source_line, *steps, leak.slots, leak.cure])


def scan_github(report: ScanReport) -> str:
    """Workflow commands, one a line: GitHub shows them beside the changed lines."""
    lines = []
    for judged in report.active:
        leak = judged.leak
        place = f"file={_property(leak.path)},line={leak.line},endLine={leak.end_line},col={leak.column}"
        title = _property(leak.pattern_id)
        text = _data(f"{leak.message}. {leak.slots} {leak.cure}")
        lines.append(f"::{_GITHUB[leak.severity]} {place},title={title}::{text}\n")
    lines += [
        f"::warning file={_property(item.path)}::{_data(f'not judged: {item.reason}')}\n" for item in report.not_judged
    ]
    return "".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def scan_gitlab(report: ScanReport) -> bytes:
    """GitLab's code quality report: a JSON list with description, check_name, fingerprint, severity and location."""
    entries = [
        {
            "description": _clean(f"{j.leak.message}. {j.leak.cure}"),
            "check_name": j.leak.pattern_id,
            "fingerprint": j.fingerprint,
            "severity": _GITLAB[j.leak.severity],
            "location": {"path": _clean(j.leak.path), "lines": {"begin": j.leak.line, "end": j.leak.end_line}},
        }
        for j in report.active
    ]
    return msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n"


def _clean(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
