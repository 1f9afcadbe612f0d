"""What every part of a Snapshot may be instead of a value, and how each collector reports on itself."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Part(Struct, frozen=True, tag_field="kind", tag=str.lower):
    """Base of everything that a Snapshot field may hold: in JSON each part names its kind, so that a gap stays a
    gap."""


class Unavailable(Part, frozen=True):
    """Evidence that could not be read. It is a value, never a zero.

    ``source`` names what was asked (``pg_stat_activity``), ``reason`` why it did not answer, ``remedy`` what the
    operator can do so that it answers next time.
    """

    source: str
    reason: str
    remedy: str


class MissingEvidence(Exception):
    """Raised inside a rule that meets a gap in a part that is otherwise there; the engine turns it into *unknown*."""

    def __init__(self, gap: Unavailable) -> None:
        super().__init__(f"{gap.source}: {gap.reason}")
        self.gap = gap


SourceState = Literal["ok", "partial", "failed", "skipped"]


class SourceReport(Struct, frozen=True):
    """How one collector fared. ``seconds`` is wall-clock time; ``reason`` and ``remedy`` are None when state is ok."""

    name: str
    state: SourceState
    seconds: float
    reason: str | None = None
    remedy: str | None = None
