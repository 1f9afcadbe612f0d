from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.errors import OperatorError
from slotwise.snapshot.json_form import from_json, to_json
from tests.build import behind, host, pgbouncer


def test_round_trip_changes_nothing() -> None:
    snapshot = behind(host(), pgbouncer())
    assert from_json(to_json(snapshot), "x") == snapshot


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"schema": "pgmetrics/1"}', b"\xff\xfe", b"[" * 100_000]
)
def test_foreign_or_broken_documents_are_the_operators_mistake(content: bytes) -> None:
    with pytest.raises(OperatorError) as caught:
        from_json(content, "case.json")
    assert "case.json" in caught.value.problem and "slotwise snapshot" in caught.value.remedy


@given(st.integers(0, 20_000), st.binary(max_size=4))
def test_a_damaged_snapshot_never_raises_anything_else(at: int, junk: bytes) -> None:
    content = to_json(host())
    at %= len(content)
    with contextlib.suppress(OperatorError):
        from_json(content[:at] + junk + content[at + len(junk) + 1 :], "case.json")
