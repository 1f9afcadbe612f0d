from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import psycopg
import pytest
from msgspec import structs

from slotwise.collectors.runner import Request
from slotwise.commands.watch_feed import NoLook
from slotwise.commands.watch_process import LiveFeed
from slotwise.demo.postgres_server import PostgresServer
from slotwise.history.reading import Reader
from slotwise.snapshot.json_form import from_json
from tests.servers import until
from tests.tui.watched import incident, watched


def test_a_live_server_is_counted_saved_and_watched_through_its_end_and_a_killed_looker(pg15: PostgresServer) -> None:
    feed = LiveFeed(Request(dsn=pg15.dsn(), timeout_seconds=10))
    try:
        with pytest.raises(NoLook, match="nothing was seen"):
            feed.saved()
        with psycopg.connect(pg15.dsn(), application_name="held") as held:
            first = feed.look()
            assert first.slots is not None and first.server is not None
            assert held.info.backend_pid in {s.pid for s in first.sessions}
            assert from_json(feed.saved(), "saved").taken_at == first.taken_at
        process = feed._process
        assert process is not None and process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(NoLook, match="starts another"):
            feed.look()
        again = feed.look()
        assert again.taken_at > first.taken_at
        assert [at for at, _ in again.drawn] == [first.taken_at, again.taken_at]
    finally:
        feed.close()
    assert feed._process is None
    until(lambda: not process.is_alive())


def test_a_server_that_is_gone_gives_a_look_with_gaps() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        feed = LiveFeed(Request(dsn=f"host=127.0.0.1 port={taken.getsockname()[1]} user=x dbname=x"))
        try:
            seen = feed.look()
        finally:
            feed.close()
    assert seen.slots is None and seen.gap and seen.sessions == ()
    assert [used for _, used in seen.drawn] == [None]


def test_a_wrong_connection_string_is_said_in_words() -> None:
    feed = LiveFeed(Request(dsn="no connection string"))
    try:
        with pytest.raises(NoLook):
            feed.look()
    finally:
        feed.close()


def test_looks_are_recorded_by_the_process_that_looks_and_by_its_successor(
    pg15: PostgresServer, tmp_path: Path
) -> None:
    feed = LiveFeed(Request(dsn=pg15.dsn(), timeout_seconds=10))
    path = tmp_path / "kept.db"
    try:
        first = feed.look()
        with pytest.raises(NoLook, match="cannot be opened"):
            feed.keep(Path("/proc/nowhere/kept.db"))
        assert "watch --history kept.db" in feed.keep(path)
        second = feed.look()
        process = feed._process
        assert process is not None and process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(NoLook, match="starts another"):
            feed.look()
        third = feed.look()
        assert feed.keep(None).startswith("recorded to")
        feed.look()
    finally:
        feed.close()
    reader = Reader(path)
    kept = [r.at for r in reader.rounds(0, float("inf"))]
    reader.close()
    assert first.taken_at not in kept and kept == [second.taken_at, third.taken_at]


def test_without_a_connection_string_no_session_is_ended(pg15: PostgresServer) -> None:
    seen = watched(incident()).sessions[0]
    feed = LiveFeed(Request(offline=True))
    try:
        with pytest.raises(NoLook, match="--dsn"):
            feed.end(structs.replace(seen, started=1.0), only_cancel=False)
        with pytest.raises(NoLook, match="not visible"):
            feed.end(structs.replace(seen, started=None), only_cancel=False)
    finally:
        feed.close()
