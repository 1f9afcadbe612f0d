"""Every pattern holds to its duties."""

import pytest

from slotwise.leaks import catalogue
from slotwise.leaks.verdicts import Pattern

HEADINGS = ("Why it matters", "Evidence", "Fix", "When to ignore it")


def test_ids_are_unique_and_in_order() -> None:
    ids = [pattern.id for pattern in catalogue()]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)


@pytest.mark.parametrize("pattern", catalogue(), ids=lambda pattern: pattern.id)
def test_the_page_names_the_problem_and_has_its_four_parts(pattern: Pattern) -> None:
    first = pattern.page.split("\n\n")[0]
    assert first.endswith(".")
    positions = [pattern.page.find(f"\n{heading}\n{'-' * len(heading)}\n") for heading in HEADINGS]
    assert all(position > 0 for position in positions)
    assert positions == sorted(positions)
    assert pattern.id.startswith(("SW6", "SW7"))
    assert pattern.title
    assert not pattern.title.endswith(".")
