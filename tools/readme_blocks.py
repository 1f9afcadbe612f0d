"""Fills the generated blocks of README.md with the product's real output; ``--check`` exits 1 when one is stale.

A block stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``. Doctor's output is that of a recorded host
(tests/evidence), so that it never shows what the program does not print; figures come from the last run of bench/.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
_BLOCK = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def doctor_block() -> str:
    """doctor on a recorded host whose addon leaks."""
    from slotwise.collectors.saved_snapshot import read_snapshot
    from slotwise.formats.doctor_text import doctor_text
    from slotwise.rules.diagnosis import diagnose

    snapshot = read_snapshot(str(ROOT / "tests" / "evidence" / "18-leaking-addon.json"))
    text = doctor_text(diagnose(snapshot, select=("SW2",)), width=110)
    return f"```text\n$ slotwise doctor\n{text.rstrip()}\n```\n"


def rules_block() -> str:
    """How many rules there are, by severity."""
    from slotwise.rules.engine import catalogue

    rules = catalogue()
    counts = {word: sum(1 for r in rules if r.severity.word == word) for word in ("critical", "warning", "info")}
    return f"{len(rules)} rules: " + ", ".join(f"{n} {word}" for word, n in counts.items()) + ".\n"


def bench_block() -> str:
    """The medians of the last ``make bench``."""
    tables = []
    for file in sorted((ROOT / "bench" / "results").glob("*.json")):
        result = json.loads(file.read_text(encoding="utf-8"))
        rows = ["| " + " | ".join(result["columns"]) + " |", "|" + "---|" * len(result["columns"])]
        rows += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in result["rows"]]
        tables.append(f"**{result['title']}** ({result['machine']})\n\n" + "\n".join(rows) + "\n")
    return "\n".join(tables)


BLOCKS: dict[str, Callable[[], str]] = {"doctor": doctor_block, "rules": rules_block, "bench": bench_block}


def filled(text: str) -> str:
    """``text`` with every block generated anew. Raises KeyError for a block that nobody generates."""
    return _BLOCK.sub(lambda m: m.group(1) + BLOCKS[m.group("name")]() + m.group(3), text)


def main() -> int:
    """Write README.md, or with ``--check`` compare it."""
    text = README.read_text(encoding="utf-8")
    new = filled(text)
    if "--check" in sys.argv[1:]:
        if new != text:
            print("README.md is stale: run `make docs`", file=sys.stderr)
        return int(new != text)
    README.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
