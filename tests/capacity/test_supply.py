"""Usable slots: the reserves of each version, roles, limits, the next start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.capacity.deployment import PostgresServer
from slotwise.capacity.supply import supply


@pytest.mark.parametrize(
    ("settings", "usable"),
    [
        ({"max_connections": 12, "superuser_reserved_connections": 3}, 9),
        ({"max_connections": 12, "reserved_connections": 2, "major_version": 16}, 7),
        ({"max_connections": 12, "reserved_connections": 2, "major_version": 15}, 9),
        ({"max_connections": 12, "reserved_connections": 2, "major_version": 18, "role_may_use_reserved": True}, 9),
        ({"max_connections": 12, "reserved_connections": 2, "major_version": 18, "role_is_superuser": True}, 12),
        ({"max_connections": 50, "superuser_reserved_connections": 0, "provider_reserved": 15}, 35),
        ({"max_connections": 2}, 0),
    ],
)
def test_usable_slots(settings: dict[str, int], usable: int) -> None:
    assert supply(PostgresServer(**settings)).usable == usable  # type: ignore[arg-type]


def test_unknown_slots_are_not_a_number() -> None:
    found = supply(PostgresServer())
    assert (found.max_connections, found.usable, found.usable_next, found.for_role) == (None, None, None, None)


def test_the_next_start_counts_what_is_pending() -> None:
    found = supply(PostgresServer(max_connections=100, max_connections_next=300, superuser_reserved_connections_next=5))
    assert (found.usable, found.usable_next) == (97, 295)


def test_a_role_limit_binds_and_minus_one_does_not() -> None:
    assert supply(PostgresServer(max_connections=100, role_connection_limit=40)).for_role == 40
    assert supply(PostgresServer(max_connections=100, role_connection_limit=-1)).for_role == 97
    assert supply(PostgresServer(max_connections=100, role_connection_limit=40, role_is_superuser=True)).for_role == 100
    assert supply(PostgresServer(role_connection_limit=40)).for_role == 40


def test_every_bound_has_a_source() -> None:
    server = PostgresServer(
        max_connections=100, major_version=17, reserved_connections=2, role_connection_limit=50, provider_reserved=3,
        database_connection_limits={"prod": 30, "free": -1},
    )  # fmt: skip
    bounds = {bound.name: bound for bound in supply(server).bounds}
    assert bounds["database_connection_limit prod"].value == 30
    assert "database_connection_limit free" not in bounds
    assert bounds["usable_slots"].value == 92
    assert all(bound.source for bound in bounds.values())


@given(st.integers(0, 10_000), st.integers(0, 50), st.integers(0, 50), st.sampled_from((12, 15, 16, 18)))
def test_usable_is_never_negative_and_never_above_max_connections(slots: int, sr: int, res: int, major: int) -> None:
    found = supply(
        PostgresServer(
            max_connections=slots, superuser_reserved_connections=sr, reserved_connections=res, major_version=major
        )
    )
    assert found.usable is not None
    assert 0 <= found.usable <= slots
