from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from slotwise.history.store import Store
from slotwise.snapshot.round import Round
from tests.conftest import StartPostgres
from tests.servers import until


def test_record_keeps_rounds_outlives_a_kill_and_ends_cleanly(start_postgres: StartPostgres, tmp_path: Path) -> None:
    server, history = start_postgres(), tmp_path / "history.db"
    dsn = f"host=127.0.0.1 port={server.port} user=postgres dbname=postgres"
    command = [sys.executable, "-m", "slotwise", "record", "--dsn", dsn, "--interval", "0.5", "--history", str(history)]
    for ending in (signal.SIGKILL, signal.SIGTERM):
        before = len(rounds(history))
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            least = before + 3
            until(lambda least=least: len(rounds(history)) >= least, within_seconds=40)  # type: ignore[misc]
            process.send_signal(ending)
            _, said = process.communicate(timeout=20)
        assert process.returncode == (0 if ending == signal.SIGTERM else -ending), said
        assert f"recording to {history}".encode() in said
    # 0 in a round that began before the connection was made: then the titles of processes are counted.
    assert {r.used for r in rounds(history)} <= {0, 1, 2}


def rounds(history: Path) -> list[Round]:
    if not history.exists():
        return []
    store = Store(history)
    try:
        return store.rounds(0, 1e12)
    finally:
        store.close()
