"""The recordings do not know the machine's memory, so its rule is unknown on each of them, never healthy."""

from __future__ import annotations

import pytest

from tests.rules.recorded import recordings, said


@pytest.mark.parametrize("name", recordings())
def test_it_says_this_and_nothing_else(name: str) -> None:
    assert said(name, "host") == {"memory-overcommit": "unknown"}
