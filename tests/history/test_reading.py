from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path
from typing import cast

import pytest
from msgspec import structs

from slotwise.errors import OperatorError
from slotwise.history.configuration import changed, configuration_of
from slotwise.history.reading import SCHEMA_VERSION, Reader
from slotwise.history.recorder import Recorder
from slotwise.history.sampler import Sampler
from slotwise.history.store import Store
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.round import Configured, Round
from tests.build import host, settings
from tests.history.test_recorder import Rounds, later

AT = 1_800_000_000.0


def seen(at: float, used: int) -> Round:
    return Round(at=at, used=used, usable=97)


def first_schema(path: Path) -> None:
    """A file as the first version of the history left it."""
    store = Store(path)
    store.append(seen(AT, 5))
    store.close()
    with sqlite3.connect(path) as database:
        database.execute("DROP TABLE configured")
        database.execute("PRAGMA user_version = 1")
    database.close()


def test_a_history_of_the_first_schema_is_read_and_then_kept_on(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    first_schema(path)
    reader = Reader(path)
    assert reader.rounds(0, AT * 2) == [seen(AT, 5)] and reader.configurations(AT * 2) == []
    reader.close()
    said: list[str] = []
    store = Store(path, say=said.append)
    store.configure(Configured(AT + 1, {"max_connections": "100"}))
    store.append(seen(AT + 5, 6))
    assert store.rounds(0, AT * 2) == [seen(AT, 5), seen(AT + 5, 6)]
    assert store.configurations(AT * 2) == [Configured(AT + 1, {"max_connections": "100"})]
    store.close()
    assert not said
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    database.close()


def test_reading_changes_nothing_and_needs_no_right_to_write() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "h.db"
        store = Store(path)
        store.append(seen(AT, 5))
        store.close()
        before = path.read_bytes()
        path.chmod(0o444)
        path.parent.chmod(0o555)
        own = os.geteuid()
        if own == 0:
            os.seteuid(65534)
        try:
            reader = Reader(path)
            newest = reader.newest()
            reader.close()
        finally:
            os.seteuid(own)
            path.parent.chmod(0o755)
        assert newest == seen(AT, 5)
        assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == ["h.db"]


def test_a_reader_sees_what_a_writer_appends(tmp_path: Path) -> None:
    store = Store(tmp_path / "h.db")
    store.append(seen(AT, 5))
    reader = Reader(tmp_path / "h.db")
    store.append(seen(AT + 5, 6))
    newest = reader.newest()
    assert newest is not None and newest.used == 6
    reader.close()
    store.close()


@pytest.mark.parametrize("content", [None, b"", b"no database at all" * 50, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_what_is_no_history_is_said_and_left_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "h.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OperatorError):
        Reader(path)
    assert (path.read_bytes() if path.exists() else None) == content
    assert [p.name for p in tmp_path.iterdir()] == ([] if content is None else ["h.db"])


def test_a_later_schema_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "h.db").close()
    with sqlite3.connect(tmp_path / "h.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(OperatorError, match="later slotwise"):
        Reader(tmp_path / "h.db")


def test_the_recorder_keeps_what_is_configured_when_it_changes(tmp_path: Path) -> None:
    more = structs.replace(host(), settings=settings(max_connections="200"))
    gone = structs.replace(host(), settings=Unavailable("pg_settings", "no connection", "start it"))
    looks = [later(s, n) for n, s in enumerate((host(), host(), gone, host(), more, more))]
    store = Store(tmp_path / "h.db")
    for part in (looks, looks[-2:]):  # the second run is a restart of the recorder, to which the same is nothing new
        sampler = cast(Sampler, Rounds(*part))
        assert len(list(Recorder(sampler, store, lambda text: None).observations())) == len(part)
    kept = store.configurations(1e12)
    assert [c.values["max_connections"] for c in kept] == ["100", "200"]
    assert kept[1].at == looks[4].taken_at
    assert kept[0].values["odoo: workers"] == "4"
    assert not any("password" in name for name in kept[0].values)


def test_what_was_not_seen_is_no_change() -> None:
    values = configuration_of(host())
    assert not changed(values, {})
    assert not changed(values, {"something new": "1"})
    assert changed(values, {**values, "max_connections": "7"})
