from __future__ import annotations

import time

from slotwise.collectors.attempts import perform, postgres_answer, start_postgres
from slotwise.collectors.isolation import Workshop
from slotwise.collectors.pg_target import Target

NOWHERE = Target("test", "host=127.0.0.1 port=1 user=odoo dbname=prod")


def broken() -> None:
    raise SystemExit(1)


def test_a_helper_that_cannot_start_is_not_called_a_silent_server() -> None:
    with Workshop(perform, broken) as shop:
        attempt = start_postgres(shop, NOWHERE, time.time(), 30.0)
        answer, seconds = postgres_answer(shop, attempt)
    assert answer.failure is not None and "own process" in answer.failure.text
    assert "reinstall" in answer.failure.remedy and seconds < 30


def test_a_refused_connection_is_told_as_the_driver_tells_it() -> None:
    with Workshop(perform, lambda: None) as shop:
        answer, _ = postgres_answer(shop, start_postgres(shop, NOWHERE, time.time(), 30.0))
    assert answer.failure is not None and answer.failure.kind == "connection_refused"
