"""A scan for programs: one JSON document, ``slotwise.scan/1`` (docs/schema/scan.json)."""

from __future__ import annotations

from typing import Any

import msgspec

from slotwise.leaks.report import ACTIVE, BASELINED, IGNORED, Judged, ScanReport

SCHEMA = "slotwise.scan/1"


def scan_json(report: ScanReport, version: str) -> bytes:
    """The whole report, suppressed findings included, as UTF-8 JSON that ends in a newline."""
    slugs = {pattern.id: pattern.slug for pattern in report.patterns}
    document = {
        "schema": SCHEMA,
        "version": 1,
        "slotwise": version,
        "summary": {
            "findings": report.count(ACTIVE),
            "ignored": report.count(IGNORED),
            "baselined": report.count(BASELINED),
            "not_judged": len(report.not_judged),
            "files": report.files,
            "parsed": report.parsed,
            "lines": report.lines,
            "addons": report.addons,
            "skipped_addons": list(report.skipped_addons),
        },
        "findings": [_finding(judged, slugs) for judged in report.findings],
        "not_judged": [{"file": _clean(item.path), "reason": item.reason} for item in report.not_judged],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def _finding(judged: Judged, slugs: dict[str, str]) -> dict[str, Any]:
    leak = judged.leak
    return {
        "id": leak.pattern_id,
        "slug": slugs.get(leak.pattern_id, ""),
        "severity": leak.severity.word,
        "possible": leak.possible,
        "standing": judged.standing,
        "reason": leak.ignored,
        "fingerprint": judged.fingerprint,
        "file": _clean(leak.path),
        "line": leak.line,
        "column": leak.column,
        "end_line": leak.end_line,
        "function": leak.function,
        "message": _clean(leak.message),
        "source": _clean(leak.source_line),
        "path": [{"line": step.line, "what": _clean(step.text)} for step in leak.steps],
        "slots": leak.slots,
        "cure": leak.cure,
    }


def _clean(text: str) -> str:
    """Lone surrogates (undecodable bytes of a file name) have no place in JSON."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
