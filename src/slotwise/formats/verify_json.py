"""verify as JSON: the public contract ``slotwise.verify/1`` (docs/schema/verify.json)."""

from __future__ import annotations

from typing import Any

import msgspec

from slotwise.fixes.path_checks import Check, PathReport

SCHEMA = "slotwise.verify/1"


def verify_json(report: PathReport) -> str:
    """The report as JSON with two spaces of indent; what is not known is null."""
    return msgspec.json.format(msgspec.json.encode(verify_document(report)), indent=2).decode() + "\n"


def verify_document(report: PathReport) -> dict[str, Any]:
    """The JSON document as plain values."""
    return {
        "schema": SCHEMA,
        "path": report.path,
        "database": report.database,
        "user": report.user,
        "direct": report.direct,
        "server_version_num": report.server_version,
        "through_pooler": report.through_pooler,
        "checks": [_check(check) for check in report.checks],
        "connections": report.connections,
        "most_connections": report.most_connections,
        "seconds": round(report.seconds, 3),
        "exit_code": int(report.exit_code),
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "id": check.id,
        "state": check.state,
        "consequence": check.consequence,
        "evidence": [{"name": seen.name, "value": seen.value} for seen in check.evidence],
        "remedy": check.remedy,
    }
