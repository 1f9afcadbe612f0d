from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec import structs
from textual.pilot import Pilot

from slotwise.collectors.runner import Request
from slotwise.commands.watch_feed import Feed
from slotwise.commands.watch_process import LiveFeed
from slotwise.commands.watch_replay import Replay
from slotwise.demo.postgres_server import free_port
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.json_form import from_json
from slotwise.tui.app import WatchApp
from slotwise.tui.table import Table
from tests.build import NOW
from tests.commands.test_watch_replay import recorded
from tests.tui.watched import Looks, Steps, incident, until, words


def run(feed: Feed, steps: Steps, size: tuple[int, int] = (80, 24)) -> None:
    async def whole() -> None:
        app = WatchApp(feed, interval_seconds=0.1)
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: app.watched is not None or "NO LOOK" in app.note)
            await pilot.pause()
            await steps(pilot)

    asyncio.run(whole())


def test_one_small_screen_says_how_full_who_and_what() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "http_worker" in words(pilot))
        lines = words(pilot).splitlines()
        assert len(lines) == 24 and all(len(line) <= 80 for line in lines)
        assert "erp1 · PostgreSQL 15 at 127.0.0.1:5432" in lines[0]
        assert "93 of 97 (96%), 3 reserved" in lines[1] and "▒" in lines[1] and "┃" in lines[1]
        assert "forecast: unknown" in lines[2]
        assert "2 blocked" in lines[3]
        assert "critical SW" in lines[4] and "more, key 4" in lines[4]
        assert "slots▼" in lines[6]
        assert lines[7].split()[:5] == ["http_worker", "90", "2", "87", "1"]
        assert "q Quit" in lines[23]

    run(Looks(incident()), steps)


def test_every_page_and_the_way_down_to_a_statement_and_back() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "waits for" in words(pilot))
        assert words(pilot).splitlines()[7].split()[0] == "2001"
        await pilot.press("enter")
        await until(pilot, lambda: "blocks 2" in words(pilot))
        assert "UPDATE stock SET x = 1" in words(pilot) and "http_worker 110 (TCP 4-tuple)" in words(pilot)
        await pilot.press("escape")
        await pilot.press("3")
        await until(pilot, lambda: "maxwait" in words(pilot))
        assert words(pilot).splitlines()[7].split()[:5] == ["prod", "odoo", "transaction", "8", "7"]
        await pilot.press("4", "enter")
        await until(pilot, lambda: "slotwise explain SW" in words(pilot))
        await pilot.press("escape", "1", "b", "enter")
        await until(pilot, lambda: "process http_worker 110" in words(pilot))
        assert "http_worker 111" not in words(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: "by process" in words(pilot))

    run(Looks(incident()), steps)


def test_the_detail_of_a_waiter_names_its_blockers_and_runs_no_markup() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("2", "end", "enter")
        await until(pilot, lambda: "blocked by" in words(pilot))
        seen = words(pilot)
        assert "2001 http_worker 110, idle in transaction" in seen and "a prepared transaction" in seen
        assert "UPDATE [b]s[/b]·[2J" in seen and "\x1b" not in seen

    run(Looks(incident()), steps)


def test_filter_and_sort() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        table = pilot.app.query_one(Table)

        def keys() -> list[object]:
            return [r.key for r in table.listing.rows] if table.listing else []

        await pilot.press("5", "slash", *"stock")
        await until(pilot, lambda: keys() == [2001, 2002])
        await pilot.press("enter", "r")
        await until(pilot, lambda: keys() == [2002, 2001])
        await pilot.press("escape")
        await until(pilot, lambda: len(keys()) == 93)
        await pilot.press("s", "s", "s", "s", "r")
        await until(pilot, lambda: keys()[:3] == [9100, 9001, 9000] or keys()[0] == 9100)
        await pilot.press("slash", *"nothing-like-it", "enter")
        await until(pilot, lambda: "nothing matches 'nothing-like-it'" in words(pilot))

    run(Looks(incident()), steps)


def test_it_goes_on_while_nobody_can_look_and_says_since_when() -> None:
    gone = structs.replace(
        incident(),
        taken_at=NOW + 60,
        activity=Unavailable("pg_stat_activity", "the database system is starting up", "wait"),
        titles=Unavailable("process titles", "not on this host", "-"),
    )
    later = structs.replace(incident(20), taken_at=NOW + 120)

    async def steps(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, WatchApp)
        await until(pilot, lambda: app.watched is not None and app.watched.taken_at == NOW + 120)
        await until(pilot, lambda: "23 of 97" in words(pilot))
        assert app.watched is not None and [u for _, u in app.watched.drawn] == [23.0]

    feed = Looks("PostgreSQL does not answer", gone, later)
    run(feed, steps)
    assert feed.taken >= 3

    async def full(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "slots are not known" in words(pilot))
        assert "the database system is starting up" in words(pilot) and "0 of" not in words(pilot)

    run(Looks(gone), full)


def test_a_look_that_fails_leaves_the_last_one_and_its_time() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: "NO LOOK at" in words(pilot))
        assert "the looking process ended" in words(pilot) and "93 of 97" in words(pilot)

    run(Looks(incident(), "the looking process ended"), steps)


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (200, 60)])
def test_two_thousand_sessions_fit_any_terminal(size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("5")
        table = pilot.app.query_one(Table)
        await until(pilot, lambda: table.listing is not None and len(table.listing.rows) == 2003)
        await pilot.press("end")
        await until(pilot, lambda: table.cursor == 2002)
        row = table.cursor_row
        assert row is not None
        await until(pilot, lambda: str(row.key) in words(pilot).splitlines()[-2])
        await pilot.press("home")
        await until(pilot, lambda: "2001" in words(pilot).splitlines()[7])
        assert all(len(line) <= size[0] for line in words(pilot).splitlines())

    run(Looks(incident(2000)), steps, size)


def test_the_cursor_stays_on_its_session_when_rows_come_and_go() -> None:
    later = [structs.replace(incident(90 + n), taken_at=NOW + n) for n in range(1, 40)]

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("5", "s", "s", "s", "s", "s", "down", "down")
        table = pilot.app.query_one(Table)
        row = table.cursor_row
        assert row is not None
        await until(pilot, lambda: table.listing is not None and len(table.listing.rows) == 132)
        assert table.cursor_row is not None and table.cursor_row.key == row.key

    run(Looks(incident(), *later), steps)


def test_saving_writes_what_was_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("w")
        await until(pilot, lambda: bool(list(tmp_path.glob("slotwise-*.json"))))

    run(Looks(incident()), steps)
    saved = next(tmp_path.glob("slotwise-*.json"))
    assert from_json(saved.read_bytes(), str(saved)) == incident()
    assert saved.stat().st_mode & 0o777 == 0o600


def test_pause_holds_the_picture() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        feed = pilot.app._feed  # type: ignore[attr-defined]
        await pilot.press("p")
        await until(pilot, lambda: "PAUSED" in words(pilot))
        held = feed.taken
        for _ in range(10):
            await pilot.pause(0.02)
        assert feed.taken <= held + 1
        await pilot.press("p")
        await until(pilot, lambda: feed.taken > held + 2)

    run(Looks(incident()), steps)


def test_the_looking_process_starts_and_starts_again_under_the_screen() -> None:
    feed = LiveFeed(Request(dsn=f"host=127.0.0.1 port={free_port()} user=x dbname=x"))

    async def steps(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, WatchApp)
        await until(pilot, lambda: "slots are not known" in words(pilot))
        process = feed._process
        assert process is not None
        process.kill()
        await until(pilot, lambda: feed._process not in (None, process) and app.note == "")

    try:
        run(feed, steps)
    finally:
        feed.close()


def test_a_session_is_ended_only_after_a_confirmation() -> None:
    feed = Looks(incident())

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("x")
        await until(pilot, lambda: "choose a session first" in words(pilot))
        await pilot.press("2", "x")
        await until(pilot, lambda: "End session 2001?" in words(pilot))
        seen = words(pilot)
        assert "none runs: it will change nothing" in seen and "UPDATE stock SET x = 1" in seen and "blocks 2" in seen
        await pilot.press("escape")
        await until(pilot, lambda: "End session" not in words(pilot))
        await pilot.press("x", "enter")
        assert feed.ended == []
        await pilot.press("x")
        await until(pilot, lambda: "End session 2001?" in words(pilot))
        await pilot.press("t")
        await until(pilot, lambda: "2001: ended" in words(pilot))
        await pilot.press("down", "x")
        await until(pilot, lambda: "End session 2002?" in words(pilot))
        await pilot.press("c")
        await until(pilot, lambda: feed.ended == [(2001, False), (2002, True)])

    run(feed, steps)


def test_looks_are_recorded_from_a_key_until_it_is_pressed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    feed = Looks(incident())

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("o")
        await until(pilot, lambda: "REC" in words(pilot).splitlines()[5])
        await pilot.press("o")
        await until(pilot, lambda: "REC" not in words(pilot).splitlines()[5])
        assert feed.kept[0] is not None and feed.kept[0].parent == tmp_path and feed.kept[1] is None

    run(feed, steps)


def test_a_recorded_history_is_walked_with_the_arrows(tmp_path: Path) -> None:
    made = recorded(tmp_path / "h.db")

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: f"{len(made)} of {len(made)}" in words(pilot))
        lines = words(pilot).splitlines()
        assert lines[0].startswith("h.db · ") and all(len(line) <= 80 for line in lines)
        assert "http_worker 4121 grows by 1." in lines[2] and "last slot goes at" in lines[2]
        assert lines[4].startswith("warning leak: http_worker 4121 grows")
        await pilot.press("left")
        await until(pilot, lambda: f"{len(made) - 1} of {len(made)}" in words(pilot))
        await pilot.press("shift+left")
        await until(pilot, lambda: f"{len(made) - 51} of {len(made)}" in words(pilot))
        await pilot.press("z")
        await until(pilot, lambda: "close up" in words(pilot))
        await pilot.press("2")
        await until(pilot, lambda: "a history keeps counts" in words(pilot))
        await pilot.press("5", "x")
        await until(pilot, lambda: "this was recorded" in words(pilot))
        await pilot.press("4", "enter")
        await until(pilot, lambda: "to win time" in words(pilot))
        assert "slotwise scan" in words(pilot) and "slotwise explain" not in words(pilot)

    run(Replay(tmp_path / "h.db"), steps)


def test_two_thousand_sessions_are_sorted_filtered_and_opened_on_a_small_screen() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("5", "end")
        await until(pilot, lambda: "statement" in words(pilot))
        await pilot.press("slash", *"2002", "enter", "enter")
        await until(pilot, lambda: "blocked by" in words(pilot))
        assert len(words(pilot).splitlines()) == 24
        await pilot.press("escape", "escape", "1", "b", "b")
        await until(pilot, lambda: "by database" in words(pilot))
        counted = [line.split()[1] for line in words(pilot).splitlines()[7:10]]
        assert sum(int(n) for n in counted) >= 1997

    run(Looks(incident(2000)), steps)
