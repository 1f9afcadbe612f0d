from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slotwise.formats.terminal import Ink, bar, columns, duration, paragraph, printable, shortened


@given(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 50), st.integers(1, 80))
def test_a_bar_is_exactly_as_wide_as_asked(filled: int, of: int, reserved: int, width: int) -> None:
    drawn = bar(filled, of, reserved, width)
    assert len(drawn) == (width if of > 0 else 0)
    assert of == 0 or filled == 0 or "█" in drawn


@given(st.text())
def test_nothing_unprintable_reaches_the_terminal(text: str) -> None:
    for line in (printable(text), shortened(text, 10), *paragraph(text, 40, "  ")):
        assert all(c.isprintable() for c in line)


@given(st.text(), st.integers(2, 60))
def test_shortened_keeps_within_its_length(text: str, length: int) -> None:
    assert len(shortened(text, length)) <= length


@given(st.lists(st.tuples(st.text("ab", max_size=9), st.text("12", max_size=4)), min_size=1))
def test_columns_line_up(rows: list[tuple[str, str]]) -> None:
    lines = columns(rows, right=frozenset({1}))
    assert len(lines) == len(rows)
    assert all(line == line.rstrip() for line in lines)


def test_ink_without_colour_changes_nothing() -> None:
    assert Ink(False)("x", "red") == "x"
    assert Ink(True)("x", "red", "bold") == "\x1b[31;1mx\x1b[0m"


def test_durations_use_the_unit_a_person_would() -> None:
    spans = [0.31, 41, 600, 12_600, 200_000]
    assert [duration(s) for s in spans] == ["0.3 s", "41 s", "10 min", "3.5 h", "2 d"]
