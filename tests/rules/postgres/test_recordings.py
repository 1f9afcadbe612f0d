"""What the PostgreSQL rules say on every recording of a real host: complete, so that any change is seen."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from msgspec import structs

from slotwise.collectors.recording import snapshot_of_recording
from slotwise.findings import Severity, Verdict
from slotwise.rules.engine import catalogue, judge
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Overrides

EVIDENCE = Path(__file__).parents[2] / "evidence"
INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL

SAID: dict[str, dict[str, Severity]] = {
    "17-cron-job-running": {},
    "17-pgbouncer-transaction-everything": {},
    "17-prefork-1db-busy": {},
    "17-prefork-unix-socket": {},
    "18-cron-job-running": {},
    "18-leaking-addon": {"stuck-idle-in-transaction": WARNING, "leaking-process": WARNING},
    "18-pgbouncer-postgres-in-session": {},
    "18-pgbouncer-transaction-everything": {},
    "18-prefork-1db-busy": {},
    "18-prefork-1db-idle": {},
    "18-prefork-4db-after-load": {
        "database-fanout": INFO,
        "orphan-backends": WARNING,
        "no-dead-peer-detection": WARNING,
    },
    "18-prefork-unix-socket": {},
    "18-saturated": {"slots-saturated": CRITICAL, "database-fanout": WARNING, "connections-refused": CRITICAL},
    "18-threaded": {},
}
NEEDS_OVERRIDES = {"harmful-timeouts", "no-idle-transaction-cap"}
"""Rules that cannot judge a recording as it is: it lacks pg_db_role_setting."""


@cache
def _snapshot(name: str) -> Snapshot:
    return snapshot_of_recording((EVIDENCE / f"{name}.json").read_bytes(), name)


@cache
def _verdicts(name: str) -> dict[str, Verdict]:
    rules = tuple(r for r in catalogue() if r.area == "postgres")
    return {v.slug: v for v in judge(_snapshot(name), rules)}


def _messages(name: str, slug: str) -> list[str]:
    return [f.message for f in _verdicts(name)[slug].findings]


def test_every_recording_is_in_the_table() -> None:
    assert {path.stem for path in EVIDENCE.glob("*.json")} == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_findings_are_these_and_no_others(name: str) -> None:
    found = {slug: v.severity for slug, v in _verdicts(name).items() if v.findings}
    assert found == SAID[name]


@pytest.mark.parametrize("name", SAID)
def test_everything_else_is_judged_healthy(name: str) -> None:
    assert {slug for slug, v in _verdicts(name).items() if v.missing} == NEEDS_OVERRIDES


@pytest.mark.parametrize("name", SAID)
def test_with_overrides_read_only_the_missing_cap_is_noted(name: str) -> None:
    snapshot = structs.replace(_snapshot(name), overrides=Overrides(()))
    rules = tuple(r for r in catalogue() if r.slug in NEEDS_OVERRIDES)
    said = {v.slug: (v.state, v.severity) for v in judge(snapshot, rules)}
    assert said["harmful-timeouts"][0] == "healthy"
    assert said["no-idle-transaction-cap"] == ("found", INFO)


def test_the_leak_is_told_by_worker_and_kind() -> None:
    few, many = sorted(_messages("18-leaking-addon", "leaking-process"), key=len)
    assert "http_worker 29523 holds 2 cursors left open" in few and "raw" not in few
    assert "http_worker 29522 holds 10 cursors left open" in many and "6 raw connections" in many
    assert "29527" not in few + many, "the cron worker only listens"


def test_the_orphan_is_the_statement_of_the_killed_worker() -> None:
    (message,) = _messages("18-prefork-4db-after-load", "orphan-backends")
    assert "pid 29385" in message and "pg_sleep(40)" in message


def test_saturated_names_the_wall_and_does_not_begin_with_more_slots() -> None:
    (message,) = _messages("18-saturated", "connections-refused")
    assert message.startswith("only reserved slots are left")
    for verdict in _verdicts("18-saturated").values():
        for finding in verdict.findings:
            text = f"{finding.message} {finding.fix.summary if finding.fix else ''}"
            assert "raise max_connections" not in text
            changes = finding.fix.changes if finding.fix else ()
            assert not any(getattr(c, "name", None) == "max_connections" for c in changes)
