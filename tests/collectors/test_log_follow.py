from __future__ import annotations

from pathlib import Path

from slotwise.collectors.log_follow import FollowedLog, follow
from slotwise.walls.events import LogEvent
from tests.servers import until

FULL = "2026-11-23 17:08:02.994 UTC [577] odoo@prod FATAL:  sorry, too many clients already\n"
TRACE = [
    "2026-11-23 17:08:02,944 12 ERROR prod odoo.http: Exception during request handling. \n",
    "Traceback (most recent call last):\n",
    '  File "/opt/odoo/odoo/sql_db.py", line 700, in borrow\n',
    "psycopg2.pool.PoolError: The Connection Pool Is Full\n",
]


def told(log: FollowedLog, count: int) -> list[LogEvent]:
    events: list[LogEvent] = []

    def enough() -> bool:
        events.extend(log.poll())
        return len(events) >= count

    until(enough)
    return events


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_what_was_there_before_is_not_told_and_what_comes_is(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    path.write_text(FULL)
    log = FollowedLog(path)
    append(path, FULL.replace("odoo@prod", "odoo@shop"))
    assert [event.database for event in told(log, 1)] == ["shop"]
    log.close()


def test_a_traceback_that_arrives_in_pieces_is_one_event(tmp_path: Path) -> None:
    path = tmp_path / "odoo.log"
    path.touch()
    log = FollowedLog(path)
    for piece in TRACE:
        append(path, piece[:20])
        assert log.poll() == []
        append(path, piece[20:])
        assert log.poll() == []
    assert [event.wall.value for event in told(log, 1)] == ["odoo_pool"]
    log.close()


def test_rotation_by_a_new_file_and_by_cutting_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    path.touch()
    log = FollowedLog(path)
    append(path, FULL)
    path.rename(tmp_path / "server.log.1")
    append(tmp_path / "server.log.1", FULL)
    append(path, FULL)
    assert len(told(log, 3)) == 3
    with path.open("r+") as file:
        file.truncate(0)
    log.poll()
    append(path, FULL)
    assert len(told(log, 1)) == 1
    log.close()


def test_a_log_that_does_not_exist_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "late.log"
    log = FollowedLog(path)
    assert log.poll() == []
    path.write_text(FULL)
    assert len(told(log, 1)) == 1
    log.close()


def test_follow_ends_when_it_is_told_to(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    path.write_text(FULL)
    seen: list[LogEvent] = []
    for event in follow([path], from_start=True, stopped=lambda: bool(seen)):
        seen.append(event)
    assert len(seen) == 1
