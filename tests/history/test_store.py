from __future__ import annotations

import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from msgspec import structs

from slotwise.errors import OperatorError
from slotwise.history.sample import application_group, round_of, series_of
from slotwise.history.store import HistoryUnavailable, Retention, Store
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.round import HolderCount, Round
from tests.apply.disk import fill, in_a_child, own_disk
from tests.build import host

START = 1_800_000_000.0


def seen(at: float, used: int | None, **more: object) -> Round:
    gap = "nobody could look" if used is None else None
    return Round(at=at, used=used, usable=97, gap=gap, **more)  # type: ignore[arg-type]


def test_rounds_come_back_as_they_were(tmp_path: Path) -> None:
    holder = HolderCount("http_worker", 4121, "odoo-bin", "prod", "odoo", "odoo", "idle", 3, "known")
    rounds = [seen(START + n, 10 + n, holders=(holder,)) for n in range(5)]
    store = Store(tmp_path / "deep" / "history.db")
    for round_ in rounds:
        store.append(round_)
    store.close()
    again = Store(tmp_path / "deep" / "history.db")
    assert again.rounds(START, START + 100) == rounds
    assert again.rounds(START + 1, START + 3) == rounds[1:3]
    assert again.newest() == rounds[-1]


def test_sums_keep_the_peak_the_floor_and_the_gaps(tmp_path: Path) -> None:
    store = Store(tmp_path / "h.db")
    begin = START // 3600 * 3600
    for n in range(130):
        used = None if 10 <= n < 20 else 10 + n % 7
        store.append(seen(begin + n * 30, used))
    sums = store.rounds(begin, begin + 7200, 300)
    assert [s.at for s in sums] == [begin + n * 300 for n in range(len(sums))]
    assert sums[0].used == 16 and sums[0].used_least == 10 and sums[0].looks == 10
    assert sums[1].used is None and sums[1].gap == "nobody could look" and sums[1].looks_known == 0
    hours = store.rounds(begin, begin + 7200, 3600)
    assert len(hours) == 1 and hours[0].looks == 120 and hours[0].looks_known == 110


def test_a_restart_of_the_recorder_still_closes_the_sum(tmp_path: Path) -> None:
    begin = START // 300 * 300
    first = Store(tmp_path / "h.db")
    first.append(seen(begin + 10, 5))
    first.close()
    second = Store(tmp_path / "h.db")
    second.append(seen(begin + 1000, 7))
    assert [(s.at, s.used) for s in second.rounds(begin, begin + 300, 300)] == [(begin, 5)]
    assert second.rounds(begin + 300, begin + 900, 300) == []


def test_retention_bounds_rows_and_bytes(tmp_path: Path) -> None:
    holders = tuple(HolderCount("http_worker", n, f"p{n * 7919}", f"d{n}", "o", "odoo", "idle", n) for n in range(60))
    small = Store(tmp_path / "rows.db", retention=Retention(rounds=100, five_minutes=20, hours=20))
    for n in range(400):
        small.append(seen(START + n * 60, n))
    assert len(small.rounds(0, START * 2)) <= 160
    assert len(small.rounds(0, START * 2, 300)) <= 40
    bounded = Store(tmp_path / "bytes.db", retention=Retention(size_bytes=200_000))
    for n in range(600):
        bounded.append(seen(START + n, n, holders=holders))
    assert bounded.size_bytes < 400_000
    assert bounded.newest() == seen(START + 599, 599, holders=holders)


def test_a_clock_that_jumps_deletes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "h.db")
    for at in (START, START + 5, START + 10 * 365 * 86400, START + 10, START - 3600):
        store.append(seen(at, 9))
    assert [r.at for r in store.rounds(START - 7200, START + 60)] == [START - 3600, START, START + 5, START + 10]


@pytest.mark.parametrize("content", [b"this is no database" * 99, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_corrupt_file_is_set_aside_and_a_new_one_begun(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "h.db"
    path.write_bytes(content)
    said: list[str] = []
    store = Store(path, say=said.append)
    store.append(seen(START, 1))
    assert store.rounds(0, START * 2) == [seen(START, 1)]
    assert path.with_name("h.db.damaged").read_bytes() == content
    assert len(said) == 1 and "damaged" in said[0]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_set_aside_or_read(tmp_path: Path, share: float) -> None:
    path = tmp_path / "h.db"
    store = Store(path)
    for n in range(300):
        store.append(seen(START + n, n))
    store.close()
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    said: list[str] = []
    again = Store(path, say=said.append)
    assert len(said) == 1
    again.append(seen(START + 999, 3))
    assert again.newest() == seen(START + 999, 3)


def test_damage_while_running_costs_one_round(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    said: list[str] = []
    store = Store(path, say=said.append)
    for n in range(200):
        store.append(seen(START + n, n))
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE round")
    with pytest.raises(HistoryUnavailable):
        store.append(seen(START + 200, 1))
    store.append(seen(START + 205, 2))
    assert [r.at for r in store.rounds(0, START * 2)] == [START + 205]
    assert len(said) == 1


@pytest.mark.parametrize("how", ["removed", "moved away", "with its directory"])
def test_a_file_that_is_removed_while_running_is_begun_anew(tmp_path: Path, how: str) -> None:
    path = tmp_path / "kept" / "h.db"
    said: list[str] = []
    store = Store(path, say=said.append)
    store.append(seen(START, 1))
    if how == "removed":
        path.unlink()
    elif how == "moved away":
        path.rename(tmp_path / "old.db")
    else:
        shutil.rmtree(path.parent)
    store.append(seen(START + 5, 2))
    store.append(seen(START + 10, 3))
    assert len(said) == 1 and "removed or replaced" in said[0]
    again = Store(path)
    assert [r.at for r in again.rounds(0, START * 2)] == [START + 5, START + 10]


def test_a_file_that_another_is_put_in_the_place_of_keeps_its_rounds_and_leaves_the_others(tmp_path: Path) -> None:
    """Such as an older copy that is restored under a running recorder: the WAL of the file before lies beside it."""
    before = Store(tmp_path / "other.db")
    before.append(seen(START - 1000, 7))
    before.close()
    path = tmp_path / "h.db"
    said: list[str] = []
    store = Store(path, say=said.append)
    for n in range(30):
        store.append(seen(START + n, 1))
    assert path.with_name("h.db-wal").stat().st_size > 0
    path.rename(tmp_path / "moved.db")
    shutil.copy(tmp_path / "other.db", path)
    store.append(seen(START + 100, 2))
    assert len(said) == 1 and "removed or replaced" in said[0]
    assert [r.at for r in store.rounds(0, START * 2)] == [START - 1000, START + 100]
    store.close()
    assert [r.at for r in Store(path).rounds(0, START * 2)] == [START - 1000, START + 100]
    assert [r.at for r in Store(tmp_path / "moved.db").rounds(0, START * 2)] == [START + n for n in range(30)]


def test_a_disk_that_is_really_full_costs_the_rounds_until_there_is_room(tmp_path: Path) -> None:
    """In a child process with a disk of its own: 2 MB, of which a file takes what is left."""

    def full() -> None:
        own_disk(tmp_path, 2048)
        store = Store(tmp_path / "h.db")
        store.append(seen(START, 1))
        ballast = fill(tmp_path, 0)
        holders = tuple(HolderCount("shell", n, str(n * 7919), str(n), "o", "x", "idle", n) for n in range(3000))
        with pytest.raises(HistoryUnavailable, match=r"full|disk I/O"):
            for n in range(1, 30):
                store.append(seen(START + n, 2, holders=holders))
        kept = [r.at for r in store.rounds(0, START * 2)]
        assert kept[0] == START
        ballast.unlink()
        store.append(seen(START + 100, 3))
        assert [r.at for r in store.rounds(0, START * 2)] == [*kept, START + 100]
        store.close()
        again = sqlite3.connect(tmp_path / "h.db")
        assert again.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    in_a_child(full)


def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    store = Store(tmp_path / "h.db")
    store.append(seen(START, 1))
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    holders = tuple(HolderCount("shell", n, str(n * 7919), str(n), "o", "x", "idle", n) for n in range(3000))
    with pytest.raises(HistoryUnavailable, match="full"):
        store.append(seen(START + 5, 2, holders=holders))
    store._database.execute("PRAGMA max_page_count = 100000")
    store.append(seen(START + 10, 3))
    assert [r.at for r in store.rounds(0, START * 2)] == [START, START + 10]


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    stores = [Store(tmp_path / "h.db") for _ in range(2)]

    def write(store: Store, offset: float) -> None:
        for n in range(60):
            store.append(seen(START + n + offset, n))

    threads = [threading.Thread(target=write, args=(s, o)) for s, o in zip(stores, (0.0, 0.5), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores[0].rounds(0, START * 2)) == 120


def test_a_later_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    Store(path).close()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(OperatorError, match="later slotwise"):
        Store(path)
    assert path.exists() and not path.with_name("h.db.damaged").exists()


def test_a_place_that_cannot_be_written_is_the_operators_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OperatorError, match="cannot be opened"):
        Store(tmp_path / "file" / "h.db")


def test_a_period_is_read_in_the_resolution_that_fits(tmp_path: Path) -> None:
    store = Store(tmp_path / "h.db")
    begin = START // 3600 * 3600
    for n in range(400):
        store.append(seen(begin + n * 30, n % 50))
    assert len(store.best(begin, begin + 40_000)) == 400
    coarse = store.best(begin, begin + 40_000, most=100)
    assert 40 <= len(coarse) <= 60
    assert [r.at for r in coarse] == sorted(r.at for r in coarse)


def test_a_round_is_made_of_a_snapshot() -> None:
    round_ = round_of(host())
    assert round_.used is not None and round_.usable == 97 and round_.reserved == 3 and round_.gap is None
    assert sum(h.count for h in round_.holders) <= round_.used
    assert {h.application for h in round_.holders} <= {"odoo", "", None}


def test_what_nobody_could_see_is_a_gap_and_not_zero() -> None:
    gone = Unavailable("pg_stat_activity", "connection refused", "start the server")
    round_ = round_of(structs.replace(host(), activity=gone, titles=gone))
    assert round_.used is None and round_.gap == "pg_stat_activity: connection refused"


@pytest.mark.parametrize(
    ("name", "group"),
    [("odoo-4121", "odoo"), ("", ""), (None, None), ("psql", "psql"), ("12345", "(number)"), ("app 1 of 2", "app of")],
)
def test_applications_are_grouped_without_numbers(name: str | None, group: str | None) -> None:
    assert application_group(name) == group


def test_the_series_marks_restarts_and_keeps_gaps() -> None:
    rounds = [seen(1, 5, server_started_at=0.5), seen(2, None), seen(3, 4, server_started_at=2.5)]
    assert [(s.used, s.restarted) for s in series_of(rounds)] == [(5, False), (None, False), (4, True)]
    sums = series_of([seen(0, 9, seconds=300.0, used_least=2)])
    assert [s.used for s in sums] == [2, 9]


def test_a_start_that_is_read_some_seconds_off_is_no_restart() -> None:
    """As in a soak: the start is moved to this host's clock by an estimate, which a slow answer spoils."""
    starts = [100.0, 103.2, None, 100.0, 98.7, 900.0, 901.0]
    rounds = [seen(600.0 + 60 * n, 5, server_started_at=at) for n, at in enumerate(starts)]
    assert [s.restarted for s in series_of(rounds)] == [False, False, False, False, False, True, False]
