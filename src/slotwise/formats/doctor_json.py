"""doctor as JSON: the public contract ``slotwise.doctor/1`` (docs/schema/doctor.json)."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import msgspec

from slotwise.capacity.demand import Term
from slotwise.capacity.from_snapshot import InstallationDemand, through
from slotwise.capacity.slots import Slots
from slotwise.findings import Finding, Fix, Severity, Verdict
from slotwise.rules.diagnosis import Diagnosis, Holder
from slotwise.snapshot.evidence import Unavailable

SCHEMA = "slotwise.doctor/1"


def utc(seconds: float) -> str:
    """An instant as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def doctor_json(diagnosis: Diagnosis) -> bytes:
    """The diagnosis as UTF-8 JSON with two spaces of indent; what is not known is null or absent, never 0."""
    return msgspec.json.format(msgspec.json.encode(doctor_document(diagnosis)), indent=2) + b"\n"


def doctor_document(diagnosis: Diagnosis) -> dict[str, Any]:
    """The JSON document as plain values."""
    snapshot = diagnosis.snapshot
    holders = diagnosis.holders
    return {
        "schema": SCHEMA,
        "slotwise": snapshot.slotwise_version,
        "taken_at": utc(snapshot.taken_at),
        "host": snapshot.host,
        "sources": [msgspec.to_builtins(s) for s in snapshot.sources],
        "slots": _slots(diagnosis.slots),
        "holders": None if isinstance(holders, Unavailable) else [_holder(h) for h in holders],
        "demand": _demand(diagnosis.demand),
        "verdicts": [_verdict(v) for v in diagnosis.verdicts],
        "exit_code": int(diagnosis.exit_code),
    }


def _slots(slots: Slots | Unavailable) -> dict[str, Any] | None:
    if isinstance(slots, Unavailable):
        return None
    return {
        "max_connections": slots.max_connections,
        "reserved": slots.reserved,
        "usable": slots.usable,
        "used": slots.used,
        "used_at_least": slots.used_at_least,
        "own": slots.own,
        "free": slots.free,
        "utilization_ratio": None if slots.utilization_ratio is None else round(slots.utilization_ratio, 4),
        "role": slots.role,
        "source": slots.source,
    }


def _demand(demand: InstallationDemand | Unavailable) -> dict[str, Any] | None:
    """Connections on PostgreSQL's slots; by database and role, what connects directly (a pooler's are in
    ``pooled``)."""
    if isinstance(demand, Unavailable):
        return None
    figures = demand.figures
    return {
        "guide": demand.guide,
        "steady": figures.steady,
        "typical": figures.typical,
        "peak": figures.peak,
        "ceiling": figures.ceiling,
        "complete": demand.certain and demand.others is not None,
        "by_database": {name: msgspec.to_builtins(f) for name, f in demand.likely.by_database.items()},
        "by_role": {name: msgspec.to_builtins(f) for name, f in demand.likely.by_role.items()},
        "pooled": [
            {
                "address": pool.address,
                "clients": msgspec.to_builtins(pool.clients.figures),
                "server_connections": msgspec.to_builtins(through(pool)),
            }
            for pool in demand.pooled
        ],
        "terms": [_term(t) for t in demand.likely.terms],
        "source": demand.source,
    }


def _term(term: Term) -> dict[str, Any]:
    return {
        "role": term.role,
        "database": term.database,
        "processes": term.processes,
        "per_process": msgspec.to_builtins(term.per_process),
        "source": term.source,
    }


def _holder(holder: Holder) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(holder)
    return document


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "id": verdict.id,
        "slug": verdict.slug,
        "severity": verdict.severity.word,
        "state": verdict.state,
        "findings": [_finding(f, verdict.severity) for f in verdict.findings],
        "missing": [{"source": m.source, "reason": m.reason, "remedy": m.remedy} for m in verdict.missing],
    }


def _finding(finding: Finding, severity: Severity) -> dict[str, Any]:
    return {
        "message": finding.message,
        "severity": (finding.severity or severity).word,
        "subject": finding.subject,
        "evidence": [msgspec.to_builtins(e) for e in finding.evidence],
        "fix": None if finding.fix is None else _fix(finding.fix),
    }


def _fix(fix: Fix) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(fix)
    return document
