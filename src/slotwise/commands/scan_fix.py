"""The mechanical cures of a scan: shown as a diff, written with ``--fix``."""

from __future__ import annotations

from slotwise.leaks.report import Judged, ScanReport


def diff_of(judged: Judged) -> str:
    """The cure of one finding as a unified diff, or ""."""
    return ""


def fix_files(report: ScanReport) -> list[str]:
    """Write every mechanical cure; returns one line for each file."""
    return []
