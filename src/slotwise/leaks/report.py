"""The result of a scan, in the form that every output takes it."""

from __future__ import annotations

import msgspec

from slotwise.findings import Severity
from slotwise.leaks.verdicts import Leak, NotJudged, Pattern

ACTIVE, IGNORED, BASELINED = "active", "ignored", "baselined"


class Judged(msgspec.Struct, frozen=True):
    """A finding and what the project has said about it: active, ignored (by a comment) or baselined (known before)."""

    leak: Leak
    fingerprint: str
    standing: str = ACTIVE


class ScanReport(msgspec.Struct, frozen=True):
    """Everything a scan found. ``patterns`` are those that were looked for."""

    patterns: tuple[Pattern, ...]
    findings: tuple[Judged, ...]
    not_judged: tuple[NotJudged, ...]
    addons: int
    files: int
    parsed: int
    lines: int
    cached_addons: int = 0
    skipped_addons: tuple[str, ...] = ()

    @property
    def active(self) -> tuple[Judged, ...]:
        """The findings that somebody still has to act on."""
        return tuple(judged for judged in self.findings if judged.standing == ACTIVE)

    def count(self, standing: str, severity: Severity | None = None) -> int:
        """How many findings have this standing (and severity)."""
        return sum(1 for j in self.findings if j.standing == standing and severity in (None, j.leak.severity))


def fingerprints(leaks: tuple[Leak, ...]) -> tuple[str, ...]:
    """A name for each finding that stays the same when other lines move: pattern, file, function, the line's text.

    Equal ones in one function are told apart by their order.
    """
    import hashlib

    seen: dict[str, int] = {}
    names = []
    for leak in leaks:
        text = "\0".join((leak.pattern_id, leak.path.replace("\\", "/"), leak.function, leak.source_line))
        seen[text] = seen.get(text, 0) + 1
        digest = hashlib.blake2b(f"{text}\0{seen[text]}".encode("utf-8", "surrogateescape"), digest_size=12)
        names.append(digest.hexdigest())
    return tuple(names)
