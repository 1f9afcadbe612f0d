"""Fills the generated blocks of the pages with the product's real output; ``--check`` exits 1 when one is stale.

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
PAGES = (README, ROOT / "docs" / "howto" / "fix.md")
ON_OTHER_PAGES = {"fix"}
"""Benches whose table is too long for the README."""

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
    files = sorted((ROOT / "bench" / "results").glob("*.json"))
    return "\n".join(_table(file) for file in files if file.stem not in ON_OTHER_PAGES)


def sick_starts_block() -> str:
    """The last ``python -m bench.fix``."""
    return _table(ROOT / "bench" / "results" / "fix.json")


def _table(file: Path) -> str:
    result = json.loads(file.read_text(encoding="utf-8"))
    rows = ["| " + " | ".join(result["columns"]) + " |", "|" + "---|" * len(result["columns"])]
    rows += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in result["rows"]]
    return f"**{result['title']}** ({result['machine']})\n\n" + "\n".join(rows) + "\n"


BLOCKS: dict[str, Callable[[], str]] = {
    "doctor": doctor_block,
    "rules": rules_block,
    "bench": bench_block,
    "sick-starts": sick_starts_block,
}


def filled(text: str) -> str:
    """``text`` with every block generated anew. Raises KeyError for a block that nobody generates."""
    return _BLOCK.sub(lambda m: m.group(1) + BLOCKS[m.group("name")]() + m.group(3), text)


def main() -> int:
    """Write the pages, or with ``--check`` compare them."""
    stale = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        new = filled(text)
        if "--check" not in sys.argv[1:]:
            page.write_text(new, encoding="utf-8")
        elif new != text:
            print(f"{page.name} is stale: run `make docs`", file=sys.stderr)
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
