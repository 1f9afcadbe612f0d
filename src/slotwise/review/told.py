"""Findings that came and went, from what the rules said look by look. Pure.

Looks between two judgements say nothing about findings, and a rule without evidence says nothing either: neither ends
a finding.
"""

from __future__ import annotations

from collections.abc import Sequence

from slotwise.review.account import FindingTold
from slotwise.review.stretches import Stretch
from slotwise.snapshot.round import FindingSeen

_ORDER = {"critical": 0, "warning": 1, "info": 2}
_RECENT_SECONDS = 120.0
"""The recorder asks once a minute: what the last answer said holds until the next one is overdue."""
_Key = tuple[str, str | None]


def asked(known: Sequence[Stretch]) -> list[Stretch]:
    """The stretches in which the rules were asked."""
    return [s for s in known if s.round.judged or (s.round.judged is None and s.round.findings)]


def findings_told(known: Sequence[Stretch]) -> tuple[FindingTold, ...]:
    """Each finding of the period, the most severe and the longest first."""
    seen: dict[_Key, FindingSeen] = {}
    spans: dict[_Key, list[tuple[float, float]]] = {}
    present: dict[_Key, float] = {}
    end = 0.0
    for stretch in asked(known):
        now = {(f.id, f.subject): f for f in stretch.round.findings}
        for key in [k for k in present if k not in now and k[0] not in stretch.round.unjudged]:
            spans.setdefault(key, []).append((present.pop(key), stretch.since))
        for key, finding in now.items():
            present.setdefault(key, stretch.since)
            before = seen.get(key)
            worse = before is None or _ORDER.get(finding.severity, 9) < _ORDER.get(before.severity, 9)
            seen[key] = finding if worse or before is None else before
        end = stretch.until
    still = set(present)
    seen_until = known[-1].until if known else end
    if seen_until - end <= _RECENT_SECONDS:
        end = seen_until
    for key, since in present.items():
        spans.setdefault(key, []).append((since, max(end, since)))
    told = [
        FindingTold(f.id, f.slug, f.severity, f.subject, tuple(spans[key]), "still there" if key in still else "gone")
        for key, f in seen.items()
    ]
    return tuple(sorted(told, key=lambda t: (_ORDER.get(t.severity, 9), -t.seconds, t.id, t.subject or "")))
