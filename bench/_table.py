"""The figures of one bench, as README shows them."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).parent / "results"


class Table(NamedTuple):
    """Rows of text under ``columns``. ``missed`` says that a figure misses a target that the bench holds it to."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    missed: bool = False


def publish(name: str, table: Table) -> None:
    """Write ``results/NAME.json``, from which tools/readme_blocks.py fills the README."""
    RESULTS.mkdir(exist_ok=True)
    shown = {"title": table.title, "machine": machine(), "columns": table.columns, "rows": table.rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def machine() -> str:
    """What the figures were measured on: processor, cores, Python."""
    names = [line.partition(":")[2].strip() for line in _processor() if line.startswith("model name")]
    processor = names[0] if names else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _processor() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
