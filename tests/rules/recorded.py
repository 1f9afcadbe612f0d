"""What the rules say on the recordings of real hosts, as tables that the tests compare with."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from slotwise.collectors.recording import snapshot_of_recording
from slotwise.rules.engine import catalogue, judge
from slotwise.snapshot.model import Snapshot

RECORDINGS = Path(__file__).parent.parent / "evidence"
Said = dict[str, str]


def recordings() -> tuple[str, ...]:
    """The names of all recordings."""
    return tuple(sorted(p.stem for p in RECORDINGS.glob("*.json")))


@cache
def recorded(name: str) -> Snapshot:
    """The Snapshot of one recording."""
    path = RECORDINGS / f"{name}.json"
    return snapshot_of_recording(path.read_bytes(), path.name)


def said(name: str, area: str) -> Said:
    """Slug -> severity of what the rules of one area find; ``unknown`` where a rule could not judge."""
    verdicts = judge(recorded(name), tuple(r for r in catalogue() if r.area == area))
    found = {v.slug: v.severity.word for v in verdicts if v.state == "found"}
    return found | {v.slug: "unknown" for v in verdicts if v.state == "unknown"}
