"""``slotwise logs --format json``: the public contract ``slotwise.logs/1`` (docs/logs.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from slotwise.walls.answers import ANSWERS
from slotwise.walls.events import LogEvent
from slotwise.walls.incidents import Incident
from slotwise.walls.story import Story
from slotwise.walls.timestamps import iso

SCHEMA = "slotwise.logs/1"


def logs_json(story: Story, rule_ids: Mapping[str, str], exit_code: int) -> str:
    """The story as one JSON document. ``rule_ids``: slug of a rule to its id, for rules that exist."""
    return json.dumps(logs_document(story, rule_ids, exit_code), ensure_ascii=False, indent=2) + "\n"


def logs_document(story: Story, rule_ids: Mapping[str, str], exit_code: int) -> dict[str, Any]:
    """The story as plain values. Times are UTC; a value that no log tells is null."""
    tally = story.tally
    return {
        "schema": SCHEMA,
        "files": list(story.files),
        "walls": dict(sorted(tally.walls.items())),
        "classes": dict(sorted(tally.kinds.items())),
        "events": [event_document(event) for event in tally.events],
        "events_total": tally.events_total,
        "events_left_off": tally.events_total - len(tally.events),
        "untimed": tally.untimed,
        "incidents": [incident_document(incident, rule_ids) for incident in story.incidents],
        "clocks": [
            {
                "layer": clock.layer,
                "against": clock.against,
                "offset_seconds": clock.seconds,
                "pairs": clock.pairs,
            }
            for clock in story.clocks
        ],
        "lookalikes": [
            {"class": kind, "count": count, "what": ANSWERS[kind].what, "do": ANSWERS[kind].do}
            for kind, count in sorted(tally.kinds.items(), key=lambda item: -item[1])
            if kind in ANSWERS
        ],
        "unread": {
            "bytes": tally.unread.bytes,
            "records": tally.unread.records,
            "reasons": dict(sorted(tally.unread.reasons.items())),
        },
        "read": {"lines": tally.lines, "bytes": tally.bytes},
        "exit_code": exit_code,
    }


def event_document(event: LogEvent) -> dict[str, Any]:
    """One event."""
    return {
        "time": iso(event.seconds),
        "layer": event.layer,
        "wall": event.wall.value,
        "class": event.kind,
        "role": event.role.value,
        "database": event.database,
        "user": event.user,
        "pid": event.pid,
        "process": event.process,
        "file": event.file,
        "line": event.line,
        "text": event.text,
        "language": event.language,
    }


def incident_document(incident: Incident, rule_ids: Mapping[str, str]) -> dict[str, Any]:
    """One incident."""
    cause = incident.reasoned.cause
    victim = incident.first_victim
    return {
        "start": iso(incident.start_seconds),
        "peak": iso(incident.peak_seconds),
        "end": iso(incident.end_seconds),
        "duration_seconds": round(incident.end_seconds - incident.start_seconds, 3),
        "wall": incident.wall.value,
        "walls": incident.walls,
        "refused": incident.refused,
        "by_database": incident.by_database,
        "by_user": incident.by_user,
        "by_process": incident.by_process,
        "first_victim": {
            "time": iso(victim.seconds),
            "layer": victim.layer,
            "database": victim.database,
            "user": victim.user,
            "pid": victim.pid,
            "process": victim.process,
            "text": victim.text,
        },
        "cause": {
            "slug": cause.slug,
            "title": cause.title,
            "confidence": incident.reasoned.confidence,
            "because": list(incident.reasoned.because),
            "rule": cause.rule,
            "rule_id": rule_ids.get(cause.rule or ""),
            "remedy": cause.remedy,
            "avoid": cause.avoid,
        },
        "users_saw": list(incident.users_saw),
        "before": [event_document(event) for event in incident.before],
    }
