from __future__ import annotations

import pytest

from slotwise.snapshot.round import is_restart


@pytest.mark.parametrize(
    ("started", "seen_at", "now_started", "expected"),
    [
        (1000.0, 2000.0, 1000.0, False),
        (1000.0, 2000.0, 2005.0, True),
        (1000.0, 2000.0, 1003.2, False),  # The estimate of an earlier slotwise.
        (1000.0, 1005.0, 1006.0 + 2, True),  # Twice within seconds.
        (5000.0, 2000.0, 5900.0, True),  # A server an hour ahead.
        (1000.0, 9000.0, 5400.0, True),  # A server an hour behind.
        (5000.0, 6000.0, 2500.0, True),  # Its clock was set back before it was started anew.
    ],
)
def test_another_start_is_a_restart_whatever_the_clocks_say(
    started: float, seen_at: float, now_started: float, expected: bool
) -> None:
    assert is_restart(started, seen_at, now_started) is expected
