from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from slotwise.collectors.runner import Request, collect
from slotwise.commands.watch import Watcher
from slotwise.commands.watch_past import end_session_of, remembered
from slotwise.demo.postgres_server import PostgresServer
from slotwise.errors import OperatorError
from slotwise.history.sample import round_of
from slotwise.history.store import Store
from slotwise.snapshot.postgres import Activity
from slotwise.snapshot.round import HolderCount, Round
from tests.build import NOW, host
from tests.forecast.test_lives import LEAKER, START, rounds

STARTED = START - 1e6


def history(path: Path, started: float = STARTED) -> float:
    """A day in which one process leaks; when it ends."""
    store = Store(path)
    last = START
    for round_ in rounds(12, lambda h: 1.5 * h, every=120.0):
        last = round_.at
        store.append(Round(at=last, used=round_.used, usable=97, holders=round_.holders, server_started_at=started))
    store.close()
    return last


def test_the_past_of_this_server_is_taken_and_of_no_other(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    last = history(path)
    found = remembered(path, last + 10, STARTED + 1)
    assert [r.at for r in found] == sorted(r.at for r in found) and found[-1].at == last
    assert remembered(path, last + 10, STARTED + 60) == []
    assert remembered(None, last, STARTED) == remembered(tmp_path / "missing", last, STARTED) == []
    path.write_bytes(b"no database at all, only words " * 100)
    assert remembered(path, last + 10, STARTED) == []


def test_a_leak_from_before_watch_began_is_said_at_the_first_look(tmp_path: Path) -> None:
    snapshot = host()
    started = snapshot.server.started_at if not isinstance(snapshot.server, str) else None  # type: ignore[union-attr]
    assert started is not None
    past = [
        Round(at=r.at + NOW - START - 12 * 3600, used=r.used, usable=97, holders=r.holders, server_started_at=started)
        for r in rounds(12, lambda h: 1.5 * h, every=120.0)
    ]
    asked: list[tuple[float, float]] = []

    def memory(at: float, start: float) -> list[Round]:
        asked.append((at, start))
        return past

    watcher = Watcher(lambda: snapshot, lambda: 0.0, (), memory)
    seen = watcher.look()
    assert asked == [(NOW, started)]
    # The process of the past is not in this snapshot: it holds nothing any more, but it has not been gone for an hour.
    assert [one.pid for one in seen.leaking] in ([LEAKER], [])
    assert len(seen.drawn) > 100


def session_of(server: PostgresServer, user: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(host="127.0.0.1", port=server.port, user=user, dbname="postgres", autocommit=True)


def test_a_chosen_session_is_ended_and_a_protected_one_is_not(
    pg15: PostgresServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("slotwise.apply.audit_log.default_audit_file", lambda: tmp_path / "audit.log")
    with psycopg.connect(pg15.dsn(), autocommit=True) as admin:
        admin.execute("DO $$ BEGIN CREATE ROLE chosen LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        with session_of(pg15, "chosen") as victim:
            victim.execute("SELECT 1")
            pid = victim.info.backend_pid
            snapshot, _ = collect(Request(dsn=pg15.dsn()))
            assert isinstance(snapshot.activity, Activity)
            starts = {b.pid: b.backend_start or 0.0 for b in snapshot.activity.backends}
            with pytest.raises(OperatorError, match="another session may have its pid"):
                end_session_of(snapshot, pid, starts[pid] - 100, pg15.dsn(), only_cancel=False)
            with pytest.raises(OperatorError, match="is not ended"):
                mine = admin.info.backend_pid
                end_session_of(snapshot, mine, starts[mine], pg15.dsn(), only_cancel=False)
            said = end_session_of(snapshot, pid, starts[pid] + 0.4, pg15.dsn(), only_cancel=False)
            assert said.startswith(f"{pid}: ended")
            with pytest.raises(psycopg.OperationalError):
                victim.execute("SELECT 1")
        assert str(pid) in (tmp_path / "audit.log").read_text()


def test_a_round_of_a_look_is_what_a_history_keeps() -> None:
    snapshot = host()
    watcher = Watcher(lambda: snapshot, lambda: 0.0)
    watcher.look()
    assert watcher.round is not None and watcher.round.judged
    assert watcher.round.holders == round_of(snapshot).holders
    assert isinstance(watcher.round.holders[0], HolderCount)
