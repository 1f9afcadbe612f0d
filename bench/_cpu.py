"""CPU seconds and memory of other processes, from /proc."""

from __future__ import annotations

import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def own_seconds(pid: int) -> float:
    """What the process and its ended children have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / _TICK


def tree_seconds(pid: int) -> float:
    """What the process, its living children and theirs, and all ended ones have used: to the nanosecond for what
    lives, to a clock tick for what has ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    ended = sum(int(field) for field in fields[13:15]) / _TICK
    return ended + thread_seconds(pid) + sum(tree_seconds(child) for child in children(pid))


def children(pid: int) -> list[int]:
    """The process's living children, of all its threads."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(child) for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def rss_mib(pid: int) -> float:
    """Resident memory."""
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def thread_seconds(pid: int) -> float:
    """What the process's own living threads have used, to the nanosecond; 0 where it has ended."""
    try:
        tasks = [t / "schedstat" for t in Path(f"/proc/{pid}/task").iterdir()]
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
