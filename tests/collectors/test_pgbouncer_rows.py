from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.collectors.pgbouncer_rows import ESSENTIAL, pgbouncer_of_rows
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.pgbouncer import PgBouncer

RECORDING = Path(__file__).parent.parent / "evidence" / "18-pgbouncer-transaction-everything.json"


def shows() -> dict[str, Any]:
    found = json.loads(RECORDING.read_bytes())["pgbouncer"]
    assert isinstance(found, dict)
    return found


def read(rows: dict[str, Any]) -> PgBouncer:
    found = pgbouncer_of_rows(rows)
    assert isinstance(found, PgBouncer)
    return found


@pytest.mark.parametrize("name", ESSENTIAL)
def test_a_missing_answer_is_a_gap_and_not_an_empty_list(name: str) -> None:
    gap = pgbouncer_of_rows({**shows(), name: None})
    assert isinstance(gap, Unavailable) and f"SHOW {name}" in gap.reason


def test_numbers_may_come_as_text_as_libpq_sends_them() -> None:
    rows = shows()
    as_text = {
        name: [{k: None if v is None else str(v) for k, v in row.items()} for row in table]
        for name, table in rows.items()
    }
    assert read(as_text) == read(rows)


def test_columns_of_other_versions() -> None:
    rows = shows()
    for row in rows["DATABASES"]:
        row["reserve_pool_size"] = row.pop("reserve_pool") + 3  # its name since 1.24
    for row in rows["POOLS"]:
        del row["pool_mode"], row["maxwait_us"]
    for row in rows["CLIENTS"]:
        del row["application_name"]
    found = read(rows)
    assert {d.reserve_pool_size for d in found.databases} == {3}
    assert {p.pool_mode for p in found.pools} == {None}
    assert {c.application_name for c in found.clients} == {None}


def test_waiting_is_in_seconds() -> None:
    rows = shows()
    rows["POOLS"][0] |= {"maxwait": 2, "maxwait_us": 500000}
    assert read(rows).pools[0].maxwait_seconds == 2.5


def test_the_console_itself_is_no_pool() -> None:
    found = read(shows())
    assert "pgbouncer" not in {d.name for d in found.databases} | {p.database for p in found.pools}


def test_a_wildcard_row_is_told_apart() -> None:
    rows = shows()
    rows["DATABASES"].append({**rows["DATABASES"][0], "name": "*", "pool_mode": "session"})
    found = read(rows)
    assert (found.wildcard, found.wildcard_pool_mode) == (True, "session")
    assert "*" not in {d.name for d in found.databases}


_CELL = st.none() | st.integers() | st.text(max_size=8) | st.booleans() | st.lists(st.integers(), max_size=2)
_COLUMNS = sorted({c for table in shows().values() for row in table for c in row})


@given(
    st.dictionaries(
        st.sampled_from([*ESSENTIAL, "STATS", "VERSION"]),
        st.lists(st.dictionaries(st.sampled_from(_COLUMNS), _CELL, max_size=6), max_size=3),
    )
)
def test_any_rows_are_read(rows: dict[str, list[dict[str, object]]]) -> None:
    full = {**{name: [] for name in ESSENTIAL}, **rows}
    assert isinstance(pgbouncer_of_rows(full), PgBouncer)
