"""SARIF 2.1.0: results of any command, for viewers and code-scanning services.

Source of the shape: OASIS SARIF 2.1.0, https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html (section
numbers below). Knows nothing of rules, scans or snapshots: a command hands over :class:`SarifRule` and
:class:`SarifResult` values and gets bytes.
"""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

import msgspec

SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

ROOT = "%SRCROOT%"
"""What relative paths are relative to: GitHub takes it for the root of the repository (SARIF support for code scanning,
https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning)."""
MOST_RESULTS = 25_000
"""Results in a run that GitHub takes: it rejects a file with more, and shows the 5,000 most severe
(https://docs.github.com/en/code-security/code-scanning/troubleshooting-sarif-uploads/results-exceed-limit)."""

SarifLevel = Literal["error", "warning", "note", "none"]
_LEVELS: tuple[SarifLevel, ...] = ("error", "warning", "note", "none")


class SarifRule(msgspec.Struct, frozen=True):
    """A rule that was run (3.49 reportingDescriptor): id, slug, one-line title, help as Markdown, default level."""

    id: str
    name: str
    title: str
    help_markdown: str
    level: SarifLevel = "warning"
    help_uri: str | None = None
    tags: tuple[str, ...] = ()


class SarifStep(msgspec.Struct, frozen=True):
    """One place on the way to the result (3.38 threadFlowLocation): what happens at that line."""

    file: str
    line: int
    message: str


class SarifEdit(msgspec.Struct, frozen=True):
    """Lines ``first_line``..``last_line`` (1-based, inclusive) of ``file`` become ``new_text`` (3.57 replacement)."""

    file: str
    first_line: int
    last_line: int
    new_text: str


class SarifResult(msgspec.Struct, frozen=True):
    """One result (3.27).

    ``file`` is a path relative to the root of the repository, or None for a result about something that is not a
    file; ``line`` and ``column`` count from 1. ``fingerprint`` stays equal when other lines of the file move.
    ``suppressed`` is None, ``inSource`` (a comment) or ``external`` (a baseline), as 3.35.2 names them.
    """

    rule_id: str
    level: SarifLevel
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    snippet: str | None = None
    fingerprint: str | None = None
    suppressed: Literal["inSource", "external"] | None = None
    suppression_reason: str | None = None
    steps: tuple[SarifStep, ...] = ()
    edits: tuple[SarifEdit, ...] = ()


class SarifNotice(msgspec.Struct, frozen=True):
    """Something the tool could not do (3.58 notification), such as a file that it could not read."""

    level: SarifLevel
    message: str
    file: str | None = None


def sarif_bytes(
    version: str,
    rules: tuple[SarifRule, ...],
    results: tuple[SarifResult, ...],
    notices: tuple[SarifNotice, ...] = (),
    *,
    successful: bool = True,
) -> bytes:
    """One SARIF log with one run of slotwise ``version``, UTF-8, indented, ending in a newline.

    Of more than ``MOST_RESULTS`` results the most severe are written, those that are not suppressed first, and a
    notification says how many are not.

    Raises KeyError when a result names a rule that is not among ``rules``: such a file would open without its help.
    """
    index = {rule.id: position for position, rule in enumerate(rules)}
    written = _most_severe(results)
    if len(written) < len(results):
        left_out = f"{len(results) - len(written)} of {len(results)} results are left out: these are the most severe"
        notices = (*notices, SarifNotice("warning", left_out))
    invocation: dict[str, Any] = {"executionSuccessful": successful}
    if notices:
        invocation["toolExecutionNotifications"] = [_notice(notice) for notice in notices]
    log = {
        "$schema": SCHEMA_URI,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "slotwise",
                        "version": version,
                        "semanticVersion": _semantic(version),
                        "rules": [_rule(rule) for rule in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {ROOT: {"description": {"text": "The directory that slotwise was run in"}}},
                "invocations": [invocation],
                "results": [_result(result, index[result.rule_id]) for result in written],
            }
        ],
    }
    return msgspec.json.format(msgspec.json.encode(_storable(log)), indent=2) + b"\n"


def _most_severe(results: tuple[SarifResult, ...]) -> tuple[SarifResult, ...]:
    """At most ``MOST_RESULTS`` of ``results``, in their order."""
    if len(results) <= MOST_RESULTS:
        return results
    rank = {level: number for number, level in enumerate(_LEVELS)}
    order = sorted(range(len(results)), key=lambda n: (results[n].suppressed is not None, rank[results[n].level], n))
    return tuple(results[n] for n in sorted(order[:MOST_RESULTS]))


def _storable(value: Any) -> Any:
    """``value`` with lone surrogates (undecodable bytes of a file name) replaced: JSON has no place for them."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value


def _semantic(version: str) -> str:
    """``version`` in the three-part form that 3.19.12 asks for; a PEP 440 suffix becomes a pre-release part."""
    digits = []
    for part in version.split("+")[0].split("."):
        if not part.isdigit():
            break
        digits.append(part)
    core = ".".join([*digits, "0", "0", "0"][:3])
    return core if version.replace(".", "").isdigit() else f"{core}-pre"


def _rule(rule: SarifRule) -> dict[str, Any]:
    descriptor: dict[str, Any] = {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.title},
        "help": {"text": rule.help_markdown, "markdown": rule.help_markdown},
        "defaultConfiguration": {"level": rule.level},
    }
    if rule.help_uri:
        descriptor["helpUri"] = rule.help_uri
    if rule.tags:
        descriptor["properties"] = {"tags": sorted(set(rule.tags))}
    return descriptor


def _result(result: SarifResult, rule_index: int) -> dict[str, Any]:
    out: dict[str, Any] = {
        "ruleId": result.rule_id,
        "ruleIndex": rule_index,
        "level": result.level,
        "message": {"text": result.message},
    }
    if result.file is not None:
        out["locations"] = [
            _location(result.file, result.line, result.column, end_line=result.end_line, snippet=result.snippet)
        ]
    if result.fingerprint is not None:
        out["partialFingerprints"] = {"slotwise/v1": result.fingerprint}
    if result.suppressed is not None:
        suppression: dict[str, Any] = {"kind": result.suppressed}
        if result.suppression_reason:
            suppression["justification"] = result.suppression_reason
        out["suppressions"] = [suppression]
    if result.steps:
        flow = [{"location": _location(s.file, s.line, None, text=s.message)} for s in result.steps]
        out["codeFlows"] = [{"threadFlows": [{"locations": flow}]}]
    if result.edits:
        out["fixes"] = [{"artifactChanges": [_change(edit) for edit in result.edits]}]
    return out


def _location(
    file: str,
    line: int | None,
    column: int | None,
    *,
    end_line: int | None = None,
    snippet: str | None = None,
    text: str | None = None,
) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _artifact(file)}
    if line is not None:
        region: dict[str, Any] = {"startLine": line}
        if column is not None:
            region["startColumn"] = column
        if end_line is not None and end_line >= line:
            region["endLine"] = end_line
        if snippet is not None:
            region["snippet"] = {"text": snippet}
        physical["region"] = region
    location: dict[str, Any] = {"physicalLocation": physical}
    if text is not None:
        location["message"] = {"text": text}
    return location


def _change(edit: SarifEdit) -> dict[str, Any]:
    # A region of whole lines ends at column 1 of the line after it, so that the line end is part of what goes.
    region = {"startLine": edit.first_line, "startColumn": 1, "endLine": edit.last_line + 1, "endColumn": 1}
    return {
        "artifactLocation": _artifact(edit.file),
        "replacements": [{"deletedRegion": region, "insertedContent": {"text": edit.new_text}}],
    }


def _notice(notice: SarifNotice) -> dict[str, Any]:
    out: dict[str, Any] = {"level": notice.level, "message": {"text": notice.message}}
    if notice.file is not None:
        out["locations"] = [_location(notice.file, None, None)]
    return out


def _artifact(file: str) -> dict[str, Any]:
    """Where a file is (3.4): relative to ROOT, or, for one that lies outside of it, by its absolute URI."""
    uri = _uri(file)
    return {"uri": uri} if uri.startswith("file:") else {"uri": uri, "uriBaseId": ROOT}


def _uri(file: str) -> str:
    """A path as a URI reference (3.4.3): percent-encoded, ``/`` kept; absolute paths get the file scheme."""
    path = quote(file.replace("\\", "/"), safe="/:@!$&'()*+,;=~-._", errors="surrogateescape")
    if path.startswith("/"):
        return f"file://{path}"
    # A colon in the first segment of a relative reference would be read as a scheme (RFC 3986 4.2).
    return f"./{path}" if ":" in path.split("/")[0] else path
