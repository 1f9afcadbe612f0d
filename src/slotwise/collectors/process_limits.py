"""Reads what the kernel lets one process have."""

from __future__ import annotations

import re
from pathlib import Path

_OPEN_FILES = re.compile(r"^Max open files\s+(?P<soft>\d+)", re.MULTILINE)


def open_files_limit(pid: int, root: Path = Path("/")) -> int | None:
    """The soft limit on open files of a process; None where it may not be read, or is unlimited."""
    try:
        text = (root / f"proc/{pid}/limits").read_text()
    except OSError:
        return None
    found = _OPEN_FILES.search(text)
    return int(found["soft"]) if found is not None else None
