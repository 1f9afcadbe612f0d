from __future__ import annotations

import json

import pytest

from slotwise.commands.rules import page_of, pages, rule_list
from slotwise.errors import OperatorError


def test_the_list_holds_every_rule_of_doctor_and_scan() -> None:
    listed = {row["id"] for row in json.loads(rule_list("json"))}
    assert {"SW101", "SW201", "SW301", "SW401", "SW601", "SW701"} <= listed
    assert all(page.id in rule_list("text") for page in pages())


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.id)
def test_every_page_reads_on_a_terminal(page: object) -> None:
    text = page_of(page.slug)  # type: ignore[attr-defined]
    assert "**" not in text and "---" not in text
    assert "Why it matters" in text and "When to ignore it" in text
    assert page_of(page.id.lower()) == text  # type: ignore[attr-defined]


def test_a_typo_gets_the_nearest_names() -> None:
    with pytest.raises(OperatorError) as caught:
        page_of("slots-staurated")
    assert "slots-saturated" in caught.value.remedy
