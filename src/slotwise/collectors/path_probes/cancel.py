"""Cancel requests: whether the right statement is ended."""

from __future__ import annotations

import time

from slotwise.collectors.path_client import NoAnswer, StatementRefused
from slotwise.collectors.path_under_test import Path
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="cancel",
    needed_by="nobody",
    fine="a statement can be cancelled through the path",
    loss="^C in a shell or in psql does not end the statement on the server",
    harmless="a cancel request does not reach its statement; Odoo sends none, but ^C in odoo shell or psql leaves the"
    " statement running (several PgBouncer processes need [peers])",
)

SLEEP_SECONDS = 4
PAUSE_SECONDS = 0.2
"""The statement must have begun before it can be cancelled."""


def probe(path: Path) -> Observation:
    """``pg_sleep`` for a few seconds, cancelled after a moment (SQLSTATE 57014)."""
    with path.client() as client:
        started = time.monotonic()
        client.send(f"SELECT pg_sleep({SLEEP_SECONDS})")
        try:
            client.answer(PAUSE_SECONDS)
        except NoAnswer:
            client.cancel()
        try:
            client.answer()
        except StatementRefused as error:
            took = Seen("seconds", round(time.monotonic() - started, 2))
            return Observation(error.sqlstate == "57014", (Seen("answer", error.text), took))
    return Observation(False, (Seen("answer", "the statement ran to its end"),))
