"""Measures the memory of backends and Odoo processes: /proc/PID/smaps_rollup, which the kernel walks page by page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from slotwise.collectors.memory_maps import parse_smaps_rollup
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.processes import Memory, ProcessMemory

SAMPLE = 20
"""Backends that are measured: smaps_rollup costs the kernel time for every page, so a sick host is spared."""


def collect_memory(
    backends: Sequence[int],
    others: Iterable[int],
    root: Path = Path("/"),
    sample: int = SAMPLE,
    known: Mapping[int, ProcessMemory] | None = None,
) -> Memory | Unavailable:
    """The memory of at most ``sample`` backends, spread evenly over all of them, and of every process in ``others``.

    Those in ``known`` (by pid) are not measured again.
    """
    before = known or {}
    chosen = spread(backends, sample)
    found = [m for pid in (*chosen, *others) if (m := before.get(pid) or _measure(root, pid)) is not None]
    if not found:
        remedy = "run slotwise as root, or as the user of PostgreSQL and Odoo"
        return Unavailable("/proc/PID/smaps_rollup", "no process's memory may be read", remedy)
    return Memory(tuple(found))


def spread(pids: Sequence[int], sample: int) -> list[int]:
    """Evenly spaced members in order of pid: young and old sessions, not just the oldest."""
    ordered = sorted(pids)
    if len(ordered) <= sample:
        return ordered
    return [ordered[at * len(ordered) // sample] for at in range(sample)]


def _measure(root: Path, pid: int) -> ProcessMemory | None:
    try:
        return parse_smaps_rollup(pid, (root / f"proc/{pid}/smaps_rollup").read_text())
    except OSError:
        return None
