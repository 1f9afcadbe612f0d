"""Large statements: the ORM writes attachments and long lists of ids into the text of one."""

from __future__ import annotations

from slotwise.collectors.path_client import PathRefused
from slotwise.collectors.path_under_test import Path
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="large-statement",
    needed_by="odoo",
    fine="statements and results of several megabytes pass",
    loss="saving large attachments, imports and searches over many records fail with a lost connection",
)

SIZE_BYTES = 4 * 1024 * 1024


def probe(path: Path) -> Observation:
    """A statement of four megabytes, whose text comes back whole (psycopg2 writes values into the text)."""
    text = "x" * SIZE_BYTES
    sent = Seen("statement bytes", SIZE_BYTES)
    with path.client() as client:
        client.run("SELECT 1")
        try:
            back = client.run(f"SELECT '{text}'").value
        except PathRefused as error:
            remedy = "raise max_packet_size in pgbouncer.ini (2147483647 by default)"
            return Observation(False, (sent, Seen("answer", error.failure.text)), remedy=remedy)
    return Observation(back == text, (sent, Seen("bytes back", len(back or ""))))
