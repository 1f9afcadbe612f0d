"""verify as JUnit XML, for pipelines that show test reports."""

from __future__ import annotations

from slotwise.fixes.path_checks import Check, PathReport
from slotwise.formats.junit import JunitCase, junit_bytes
from slotwise.formats.verify_text import evidence_words


def verify_junit(report: PathReport) -> str:
    """A check is a test case: *broken* failed, *unknown* an error, *not-needed* skipped."""
    cases = tuple(_case(check) for check in report.checks)
    return junit_bytes("slotwise verify", cases, seconds=report.seconds).decode()


def _case(check: Check) -> JunitCase:
    if check.state == "works":
        return JunitCase("slotwise.verify", check.id, "passed")
    if check.state == "not-needed":
        return JunitCase("slotwise.verify", check.id, "skipped", check.consequence)
    lines = [check.consequence, evidence_words(check)]
    if check.remedy:
        lines.append(f"do: {check.remedy}")
    return JunitCase(
        "slotwise.verify",
        check.id,
        "failed" if check.state == "broken" else "error",
        check.consequence,
        "\n".join(lines),
        check.state,
    )
