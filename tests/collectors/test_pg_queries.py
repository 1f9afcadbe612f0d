from __future__ import annotations

from pathlib import Path

import pytest

from slotwise.collectors.pg_queries import BATCH, BRIEF, CATALOGS, batch, query, second_batch
from slotwise.collectors.pg_session import prepare


def test_a_column_that_a_version_lacks_is_not_asked_for() -> None:
    assert "leader_pid" not in query("activity", 120022)
    assert "leader_pid" in query("activity", 130000)
    assert "reserved" not in query("roles", 150004)
    assert "reserved" in query("roles", 160000)


@pytest.mark.parametrize("name", [*BATCH, "file_settings", "blocking"])
def test_queries_only_read(name: str) -> None:
    text = query(name, 180000)
    assert text.startswith("SELECT ") and "--" not in text and ";" not in text
    assert not {"insert", "update", "delete", "drop", "alter", "create", "set"} & set(text.lower().split())


def test_the_settings_are_read_before_the_session_changes_its_own() -> None:
    opened, own_and_catalogs, activity = batch(150000, 2000)
    assert opened.startswith("BEGIN READ ONLY; SELECT") and "pg_show_all_settings" in opened
    *own, identity = own_and_catalogs.split("; ")
    assert all("SET LOCAL" in s for s in own) and len(own) == 4
    assert "pg_backend_pid" in identity and all(f"AS {name}" in identity for name in CATALOGS)
    assert activity == query("activity", 150000)
    brief, sessions = batch(150000, 2000, BRIEF)
    assert brief.startswith("BEGIN READ ONLY; SET LOCAL") and "json_agg" not in brief
    assert sessions == activity and "settings" not in brief


def test_blockers_are_asked_for_the_sessions_that_wait_and_files_for_who_may_read_them() -> None:
    waiting = second_batch(150000, 1000, files_too=False, waiting=(7, 9))
    assert len(waiting) == 1 and "ARRAY[7,9]" in waiting[0] and "file_settings" not in waiting[0]
    files = second_batch(150000, 1000, files_too=True, waiting=())
    assert len(files) == 1 and "pg_show_all_file_settings" in files[0] and "pg_blocking_pids" not in files[0]
    assert len(second_batch(150000, 1000, files_too=True, waiting=(7,))) == 2


def test_once_prepared_no_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session may go on as the server's OS user, who cannot read a virtual environment below /root."""
    prepare()

    def closed_door(path: Path, *_: object) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "read_text", closed_door)
    query.cache_clear()
    assert batch(180000, 1000)
    assert second_batch(180000, 1000, files_too=True, waiting=(1,))
