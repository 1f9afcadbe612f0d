"""doctor as SARIF and JUnit, for pipelines and code-scanning views: the generic writers fed with verdicts."""

from __future__ import annotations

from slotwise.findings import Severity, Verdict
from slotwise.formats.junit import JunitCase, junit_bytes
from slotwise.formats.sarif import SarifLevel, SarifNotice, SarifResult, SarifRule, sarif_bytes
from slotwise.rules.diagnosis import Diagnosis

_LEVELS: dict[Severity, SarifLevel] = {Severity.CRITICAL: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def doctor_sarif(diagnosis: Diagnosis) -> bytes:
    """SARIF 2.1.0: one result a finding; what could not be judged is a notification, not a pass."""
    rules = tuple(
        SarifRule(r.id, r.slug, r.title, r.page, _LEVELS[r.severity], tags=(r.area,)) for r in diagnosis.rules
    )
    results = tuple(
        SarifResult(
            v.id,
            _LEVELS[f.severity or v.severity],
            f.message if f.fix is None else f"{f.message}. Do: {f.fix.summary}",
            fingerprint=f"{v.slug}/{f.subject or diagnosis.snapshot.host}",
        )
        for v in diagnosis.verdicts
        for f in v.findings
    )
    notices = tuple(
        SarifNotice("warning", f"{v.id} {v.slug} could not be judged: {m.source}: {m.reason}; {m.remedy}")
        for v in diagnosis.verdicts
        for m in v.missing
    )
    return sarif_bytes(diagnosis.snapshot.slotwise_version, rules, results, notices)


def doctor_junit(diagnosis: Diagnosis) -> bytes:
    """JUnit XML: a rule is a test case; *unknown* is skipped with its reason, never passed."""
    return junit_bytes("slotwise doctor", tuple(_case(v) for v in diagnosis.verdicts))


def _case(verdict: Verdict) -> JunitCase:
    name = f"{verdict.id} {verdict.slug}"
    if verdict.state == "found":
        first = verdict.findings[0].message
        detail = "\n".join(
            f.message if f.fix is None else f"{f.message}\n  do: {f.fix.summary}" for f in verdict.findings
        )
        return JunitCase("slotwise", name, "failed", first, detail, verdict.severity.word)
    if verdict.state == "unknown":
        why = "; ".join(f"{m.source}: {m.reason} ({m.remedy})" for m in verdict.missing)
        return JunitCase("slotwise", name, "skipped", why)
    return JunitCase("slotwise", name, "passed")
