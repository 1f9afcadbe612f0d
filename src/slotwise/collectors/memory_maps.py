"""Reads a process's memory from the text of /proc/PID/smaps_rollup (Documentation/filesystems/proc.rst)."""

from __future__ import annotations

import re

from slotwise.snapshot.processes import ProcessMemory

_LINE = re.compile(r"^(?P<name>\w+):\s+(?P<kilobytes>\d+) kB$", re.MULTILINE)


def parse_smaps_rollup(pid: int, text: str) -> ProcessMemory | None:
    """Private and proportional memory in bytes; None where the text shows neither (a process that just ended)."""
    sizes = {m["name"]: int(m["kilobytes"]) * 1024 for m in _LINE.finditer(text)}
    if "Private_Dirty" not in sizes or "Pss" not in sizes:
        return None
    private = sizes["Private_Dirty"] + sizes.get("Private_Clean", 0) + sizes.get("Private_Hugetlb", 0)
    return ProcessMemory(pid, private, sizes["Pss"])
