"""Reads the seeded corpus: small addons whose lines say themselves what should be reported on them.

``# expect: SW601`` stands on the line of a finding, ``# clean`` on the first line of a function without any. The
bench measures recall and precision on the same files.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from slotwise.leaks.scanning import scan_addon, series_of
from slotwise.leaks.source import SourceFile
from slotwise.leaks.verdicts import AddonResult

CORPUS = Path(__file__).parent / "corpus"
_EXPECTED = re.compile(r"# expect: (SW\d+(?:, SW\d+)*)")

Mark = tuple[str, int, str]


def addons(root: Path = CORPUS) -> list[Path]:
    """The folders of the corpus's addons."""
    return sorted(manifest.parent for manifest in root.glob("*/__manifest__.py"))


def sources(addon: Path) -> list[SourceFile]:
    """The addon's files as the scan takes them."""
    found = []
    for path in sorted(addon.rglob("*.py")):
        relative = path.relative_to(addon)
        module = ".".join(relative.with_suffix("").parts).removesuffix("__init__").removesuffix(".")
        found.append(SourceFile(f"{addon.name}/{relative.as_posix()}", module, path.read_bytes()))
    return found


def scanned(addon: Path) -> AddonResult:
    """The scan of one addon of the corpus."""
    return scan_addon(addon.name, sources(addon), series_of((addon / "__manifest__.py").read_text()))


def expected(addon: Path) -> set[Mark]:
    """(file, line, pattern) of everything that should be reported."""
    marks: set[Mark] = set()
    for source in sources(addon):
        for number, line in enumerate(source.data.decode().split("\n"), 1):
            found = _EXPECTED.search(line)
            if found:
                marks.update((source.path, number, pattern) for pattern in found[1].split(", "))
    return marks


def clean_count(addon: Path) -> int:
    """How many functions are marked as clean."""
    return sum(source.data.count(b"# clean") for source in sources(addon))


def score(root: Path = CORPUS) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """By pattern: how many are expected, how many of those are found, how many are reported without being expected."""
    wanted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    false: Counter[str] = Counter()
    for addon in addons(root):
        marks = expected(addon)
        reported = {(leak.path, leak.line, leak.pattern_id) for leak in scanned(addon).leaks if not leak.possible}
        wanted.update(mark[2] for mark in marks)
        found.update(mark[2] for mark in marks & reported)
        false.update(mark[2] for mark in reported - marks)
    return wanted, found, false
