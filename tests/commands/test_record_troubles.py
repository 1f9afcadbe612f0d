"""What happens to the server and to the history while ``record`` runs: it goes on, says why, and is well again."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slotwise.errors import OperatorError
from slotwise.history.reading import Reader
from slotwise.snapshot.round import Round
from tests.conftest import StartPostgres
from tests.servers import until

STEPPED = """
import os, time
_real = time.time
def stepped():
    return _real() + float(open(os.environ["CLOCK_STEP"]).read())
time.time = stepped
"""


@contextmanager
def recording(dsn: str, history: Path, said: list[str], **environment: str) -> Iterator[None]:
    command = [sys.executable, "-m", "slotwise", "record", "--dsn", dsn, "--interval", "0.5", "--history", str(history)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, **environment}) as process:
        try:
            yield
            assert process.poll() is None
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                said.extend(process.communicate(timeout=20)[1].decode().splitlines())
            finally:
                process.kill()
    assert process.returncode == 0, said


def rounds(history: Path) -> list[Round]:
    """In the order in which they came, which is not that of a clock that was set."""
    if not history.exists():
        return []
    try:
        reader = Reader(history)
    except OperatorError:
        return []
    try:
        return reader.rounds(0, 1e12)
    finally:
        reader.close()


def more(history: Path, count: int = 3) -> list[Round]:
    before = len(rounds(history))
    until(lambda: len(rounds(history)) >= before + count, within_seconds=40)
    return rounds(history)


def test_frozen_restarted_and_removed(start_postgres: StartPostgres, tmp_path: Path) -> None:
    server, history, said = start_postgres(), tmp_path / "h.db", list[str]()
    with recording(server.dsn(), history, said):
        until(lambda: any(r.server_started_at for r in rounds(history)), within_seconds=40)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            # Nobody can log in, but who holds a connection is answered: that is why one is held.
            frozen = more(history)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert all(r.used is not None and r.server_started_at for r in frozen[-2:])
        assert len({r.server_started_at for r in frozen if r.server_started_at}) == 1
        server.restart()
        until(
            lambda: len({r.server_started_at for r in rounds(history) if r.server_started_at}) == 2, within_seconds=40
        )
        history.unlink()
        again = more(history)
        assert again[-1].used is not None
    with sqlite3.connect(history) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    assert sum("was removed or replaced" in line for line in said) == 1


def test_a_clock_that_is_set_back_and_forth(start_postgres: StartPostgres, tmp_path: Path) -> None:
    server, history, said = start_postgres(), tmp_path / "h.db", list[str]()
    step = tmp_path / "step"
    step.write_text("0")
    (tmp_path / "sitecustomize.py").write_text(STEPPED)
    with recording(server.dsn(), history, said, CLOCK_STEP=str(step), PYTHONPATH=str(tmp_path)):
        until(lambda: any(r.server_started_at for r in rounds(history)), within_seconds=40)
        began = rounds(history)[0].at
        for seconds in ("-3600", "3600"):
            (tmp_path / "new").write_text(seconds)
            (tmp_path / "new").replace(step)
            more(history)
    seen = rounds(history)
    assert [r.at for r in seen] == sorted(r.at for r in seen)
    assert any(r.at < began - 3000 for r in seen) and any(r.at > began + 3000 for r in seen)
    # The server was not restarted, whatever this host's clock says.
    assert len({r.server_started_at for r in seen if r.server_started_at}) == 1
    assert all((r.oldest_idle_in_transaction_seconds or 0) >= 0 for r in seen)
    assert not [line for line in said if "Traceback" in line]
