"""Plain words for a terminal: colour, bars, wrapped paragraphs and columns. Colour is never the only carrier of
meaning."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}


class Ink:
    """Colours text where ``colour`` is on, and leaves it alone where it is off (no terminal, NO_COLOR)."""

    def __init__(self, colour: bool) -> None:
        """``colour``: whether escape codes may be written."""
        self._colour = colour

    def __call__(self, text: str, *styles: str) -> str:
        """``text`` in the given styles: bold, dim, red, green, yellow, blue, cyan."""
        if not self._colour or not styles or not text:
            return text
        return f"\x1b[{';'.join(_CODES[s] for s in styles)}m{text}\x1b[0m"


def printable(text: str) -> str:
    """``text`` on one line without control characters: a name in a database must not steer the terminal."""
    return "".join(c if c.isprintable() else "·" for c in " ".join(text.split()))


def bar(filled: int, of: int, reserved: int, width: int) -> str:
    """A bar of slots: full blocks taken, light ones free, shaded ones reserved. ``of`` is max_connections."""
    if of <= 0:
        return ""
    taken = min(width, max(1 if filled > 0 else 0, round(width * min(filled, of) / of)))
    kept = 0 if reserved <= 0 else max(1, round(width * reserved / of))
    kept = min(kept, max(0, width - taken))
    return "█" * taken + "·" * (width - taken - kept) + "▒" * kept


def paragraph(text: str, width: int, indent: str, first: str | None = None) -> list[str]:
    """``text`` wrapped to ``width``, each line after ``indent``; the first one after ``first`` where given."""
    return textwrap.wrap(
        printable(text),
        max(20, width),
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=True,
        break_on_hyphens=False,
    ) or [indent if first is None else first]


def columns(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset(), gap: str = "  ") -> list[str]:
    """Rows as aligned columns; those in ``right`` are right-aligned. Trailing space is cut."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        gap.join(
            c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def shortened(text: str, length: int) -> str:
    """``text`` on one line, cut with an ellipsis where it is longer than ``length``."""
    text = printable(text)
    return text if len(text) <= length else text[: max(1, length - 1)] + "…"


def duration(seconds: float) -> str:
    """A span in the unit a person would use: ``0.3 s``, ``41 s``, ``12 min``, ``3.5 h``, ``2 d``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.0f} d"
