from __future__ import annotations

from datetime import datetime, timezone

import pytest

from slotwise.collectors.pg_parts import PostgresParts, Rows, parts_of_rows
from tests.build import NOW

STARTED = NOW - 86_400.0


def parts(server_clock: float, answered_at: float | None) -> PostgresParts:
    identity = {
        "own_pid": 17,
        "user": "odoo",
        "is_superuser": "off",
        "in_recovery": False,
        "started_at": datetime.fromtimestamp(STARTED, timezone.utc),
        "server_clock": datetime.fromtimestamp(server_clock, timezone.utc),
    }
    empty: Rows = []
    batch = dict.fromkeys(("activity", "settings", "roles", "databases", "overrides"), empty)
    return parts_of_rows(
        {**batch, "identity": [identity]},
        file_rows=None,
        blocking=None,
        version_num=150000,
        address="127.0.0.1:5432",
        taken_at=NOW,
        answered_at=answered_at,
    )


@pytest.mark.parametrize(
    ("server_clock", "answered_at", "shift"),
    [
        (NOW + 1, None, 0),
        (NOW + 40, NOW + 41, 0),  # A slow answer.
        (NOW + 3600, NOW + 1, -3599),
        (NOW + 3600, NOW + 40, -3560),
        (NOW - 3600, NOW + 40, 3600),
        (NOW, NOW - 3600, 0),  # This host's clock was set back while the server answered.
    ],
)
def test_a_slow_answer_is_no_difference_of_clocks_and_a_start_stays_what_the_server_said(
    server_clock: float, answered_at: float | None, shift: float
) -> None:
    seen = parts(server_clock, answered_at)
    assert seen.activity.shift_seconds == shift
    assert seen.server.started_at == STARTED
