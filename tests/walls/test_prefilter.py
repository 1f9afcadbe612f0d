from __future__ import annotations

import json
from pathlib import Path

import pytest

from slotwise.walls.lookalikes import LOOKALIKES, LOST
from slotwise.walls.prefilter import CONTEXT, candidates
from slotwise.walls.signatures import LAST_WALLS, WALLS

HERE = Path(__file__).parent
LINES = [json.loads(line) for line in (HERE / "labelled_lines.jsonl").read_text(encoding="utf-8").splitlines()]
TRANSLATIONS = json.loads((HERE.parents[1] / "src/slotwise/walls/translations.json").read_text(encoding="utf-8"))

FRAMES = {
    # How the programs write a signature whose own words hold no literal: the severity or the exception before it.
    "odoo": "2026-11-23 17:08:02,944 12 WARNING prod odoo.sql_db: {}",
    "postgres": "2026-11-23 17:08:02.944 UTC [1] odoo@prod ERROR:  {}",
    "pooler": "2026-11-23 17:08:02.944 UTC [1] WARNING C-0x1: prod/odoo@unix:6432 pooler error: {}",
    "python": "RuntimeError: {}",
}
QUIET = {
    # Told by programs below WARNING: their own words must be found, or the look back before an incident reads them.
    *("pg_killed", "pg_crash", "lock_wait", "pg_ready", "pg_stopped", "pg_shutdown_requested", "startup_packet_noise"),
    *(
        "client_connection_lost",
        "oom_kill",
        "odoo_start",
        "odoo_stop",
        "odoo_connect_failed",
        "odoo_update",
        "pg_reloaded",
        "worker_exit",
    ),
    *("pgb_started", "fd_backend", "fd_postmaster", "pg_fork_failed", "odoo_pool_at_limit", "odoo_pool_closed"),
    *("pgb_pool_full", "pgb_connect_failed", "pgb_connect_timeout", "pgb_evicted", "leak_recovered", "slow_statement"),
}


@pytest.mark.parametrize("row", [*WALLS, *LAST_WALLS, *LOOKALIKES, *LOST], ids=lambda row: f"{row.kind}: {row.needle}")
def test_every_signature_can_be_found_in_a_file(row: object) -> None:
    kind, needle = row.kind, row.needle  # type: ignore[attr-defined]
    if kind in ("worker_started", "worker_recycled", "cron_started"):
        assert CONTEXT.search(needle.encode())
        return
    if kind in ("pgb_queued", "proxy_pinning", "user_cancel", "pgb_auto_database"):
        return  # told to clients only, or of no weight: never in a log that matters
    frames = FRAMES.values() if kind not in QUIET else ["2026-11-23 17:08:02.944 UTC [1] LOG:  {}"]
    example = EXAMPLES.get(kind, needle)
    assert all(candidates(frame.format(example).encode()) for frame in frames)


EXAMPLES = {
    "slow_statement": "duration: 12345.678 ms  statement: SELECT 1",
    "odoo_pool_closed": "ConnectionPool(used=0/count=0/max=64): Closed 3 connections",
    "leak_recovered": "ConnectionPool(used=0/count=0/max=64): Free leaked connection to x",
    "oom_kill": "Killed process 12 (postgres)",
    "pg_ready": "database system is ready to accept connections",
    "pg_shutdown_requested": "received fast shutdown request",
    "pgb_started": "process up: PgBouncer 1.18.0",
    "client_connection_lost": "could not receive data from client: Connection reset by peer",
    "pg_crash": "server process (PID 1) was terminated by signal 11",
    "fd_backend": "out of file descriptors: Too many open files; release and retry",
    "pg_fork_failed": "could not fork new process for connection: Cannot allocate memory",
    "startup_packet_noise": "invalid length of startup packet",
    "lock_wait": "process 736 still waiting for ShareLock on transaction 730 after 200.131 ms",
}


@pytest.mark.parametrize("row", LINES, ids=lambda row: row["text"][-50:])
def test_every_labelled_line_is_found(row: dict[str, str]) -> None:
    assert candidates(row["text"].encode())


def test_every_translation_is_found() -> None:
    missed = [
        text
        for languages in TRANSLATIONS.values()
        for texts in languages.values()
        for text in texts
        if not candidates(f"2026-11-23 17:08:02.944 UTC [1] LOG:  {text.replace('%s', 'x')}".encode())
    ]
    assert missed == []


def test_ordinary_lines_are_passed_over() -> None:
    quiet = (
        b'2026-11-23 17:08:02,944 12 INFO prod werkzeug: 192.0.2.1 - - "POST /web/dataset/call_kw HTTP/1.1" 200 -\n'
        b"2026-11-23 17:08:02.944 UTC [1] LOG:  connection received: host=192.0.2.9 port=5000\n"
        b"2026-11-23 17:08:02.944 UTC [982] LOG C-0x1: prod/odoo@1:2 closing because: client close request (age=3s)\n"
        b"2026-11-23 17:08:02.944 UTC [1] LOG:  duration: 9000.1 ms  statement: SELECT 1\n"
    )
    assert candidates(quiet) == []
