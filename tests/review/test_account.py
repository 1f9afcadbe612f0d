from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import structs

from slotwise.review.account import Account
from slotwise.review.assemble import Material, account_of
from slotwise.snapshot.round import Configured, FindingSeen, HolderCount, Round
from tests.review.day import BEGIN, BLIND, CHANGE, HOUR, PAUSE, WALL, rounds

END = BEGIN + 24 * HOUR
CONFIGURED = (Configured(BEGIN, {"max_connections": "100"}), Configured(CHANGE, {"max_connections": "150", "x": "1"}))


def account(of: Sequence[Round], **more: object) -> Account:
    settings: dict[str, object] = {"since": BEGIN, "until": END, "made_at": END, "history": "h.db", **more}
    return account_of(Material(rounds=of, **settings))  # type: ignore[arg-type]


def minute(at: float, used: int | None, **more: object) -> Round:
    gap = None if used is not None else "connection refused"
    return Round(at=BEGIN + at * 60, used=used, usable=100, gap=gap, **more)  # type: ignore[arg-type]


def test_the_day_is_told() -> None:
    day = account(rounds(), configured=CONFIGURED)
    assert day.peak is not None and (day.peak.used, day.peak.usable) == (96, 97)
    assert [(h.part, h.pid, h.count) for h in day.peak.held[:2]] == [
        ("http_worker", 4122, 43),
        ("http_worker", 4121, 23),
    ]
    kinds = {e.kind: e for e in day.events}
    assert set(kinds) == {"saturated", "refused", "restart"}
    assert WALL[0] <= kinds["saturated"].since <= WALL[0] + 180 and not kinds["saturated"].open
    assert kinds["saturated"].worst == 96 and kinds["saturated"].held[0].pid == 4122
    assert kinds["refused"].walls == {"pg_reserved": 12}
    assert kinds["restart"].since == CHANGE - 60
    assert {(g.since, g.reason) for g in day.gaps} == {
        (PAUSE[0], "nothing was recorded"),
        (BLIND[0], "pg_stat_activity: connection refused"),
    }
    assert [(f.id, f.subject, f.ending) for f in day.findings] == [
        ("SW201", None, "gone"),
        ("SW203", "http_worker 4121", "gone"),
    ]
    assert day.findings[1].seconds == pytest.approx(1.5 * HOUR, abs=200)
    assert [(p.database, p.maxwait_seconds, p.waiting) for p in day.pools] == [("prod", 7.5, 4)]
    (change,) = day.changes
    assert [(s.name, s.before, s.after) for s in change.settings] == [("max_connections", "100", "150")]
    assert change.before is not None and change.after is not None
    assert (change.before.usable, change.after.usable) == (97, 147)
    assert change.note is not None and "different hours" in change.note
    assert day.seen_ratio == pytest.approx(1 - (HOUR + 720) / 86400, abs=0.002)


def test_a_gap_is_never_a_number() -> None:
    blind = account([minute(n, None) for n in range(30)], until=BEGIN + 1800)
    assert blind.peak is None and blind.figures.median is None and blind.figures.peak is None
    assert blind.figures.seen_seconds == 0 and blind.seen_ratio == 0
    assert {p.used for p in blind.points} == {None}
    assert [(g.since, g.until) for g in blind.gaps] == [(BEGIN, BEGIN + 1800)]
    assert not blind.judged and not blind.parts


def test_the_drawing_tears_where_nobody_looked() -> None:
    some = [minute(n, 10) for n in (*range(20), *range(60, 80))]
    points = account(some, until=BEGIN + 4800).points
    torn = [p.at for p in points if p.used is None]
    assert torn == [BEGIN + 20 * 60]
    assert max(p.used or 0 for p in points) == 10


def test_points_keep_the_peak_of_what_is_left_out() -> None:
    many = [structs.replace(minute(n / 60, 10 + (n == 4321)), seconds=0.0) for n in range(9000)]
    points = account(many, until=BEGIN + 9000).points
    assert len(points) < 600 and max(p.used or 0 for p in points) == 11


def test_only_a_look_that_asked_ends_a_finding() -> None:
    found = FindingSeen("SW203", "stuck", "warning", "x")
    looks = [
        minute(0, 5, judged=True, findings=(found,)),
        minute(1, 5, judged=False),
        minute(2, 5, judged=True, unjudged=("SW203",)),
        minute(3, 5, judged=True, findings=(found,)),
        minute(4, 5, judged=True),
    ]
    told = account(looks, until=BEGIN + 300).findings
    assert [(f.spans, f.ending) for f in told] == [(((BEGIN, BEGIN + 240),), "gone")]
    assert account(looks[:4], until=BEGIN + 240).findings[0].ending == "still there"


def test_rounds_of_an_earlier_version_say_nothing_about_rules() -> None:
    assert not account([minute(n, 5) for n in range(5)], until=BEGIN + 300).judged


def test_an_event_that_goes_on_is_open() -> None:
    (event,) = account([minute(n, 50 + 40 * (n > 5)) for n in range(10)], until=BEGIN + 600).events
    assert (event.kind, event.open, event.since) == ("high", True, BEGIN + 360)


def test_what_the_log_said_before_is_not_told_again() -> None:
    looks = [minute(n, 5, walls=walls) for n, walls in enumerate([{"a": 3}, {"a": 3}, {}, {"a": 3}, {"a": 5, "b": 1}])]
    (event,) = account(looks, until=BEGIN + 300).events
    assert (event.kind, event.walls, event.worst) == ("refused", {"a": 2, "b": 1}, 3)


def test_a_change_is_compared_with_the_same_hours_of_the_day_before() -> None:
    past = [
        structs.replace(minute(n * 10, 80 if 100 <= n < 130 else 20), at=BEGIN - 86400 + n * 600) for n in range(144)
    ]
    today = [minute(n * 10, 40 if n >= 100 else 20) for n in range(130)]
    at = BEGIN + 100 * 600
    (change,) = account(today, until=BEGIN + 130 * 600, past=past, changes_at=(at,)).changes
    assert change.before is not None and change.after is not None
    assert (change.before.since, change.before.median, change.after.median) == (at - 86400, 80, 40)
    assert change.note is not None and "same hours" in change.note


def test_too_little_on_one_side_is_no_comparison() -> None:
    looks = [minute(n, 5) for n in (*range(10), *range(50, 60))]
    (change,) = account(looks, until=BEGIN + 3600, changes_at=(BEGIN + 1500,)).changes
    assert change.after is None or change.before is None
    assert change.note is not None and "too little" in change.note


def test_growth_and_parts() -> None:
    def held(at: float, count: int) -> Round:
        holders = (
            HolderCount("http_worker", 7, "odoo", "prod", "odoo", "odoo", "idle", count, "known"),
            HolderCount("unknown", None, "psql", "prod", "me", "psql", "idle", 2, "foreign"),
        )
        return minute(at, count + 2, holders=holders)

    told = account([held(n, 2 + n) for n in range(10)], until=BEGIN + 600)
    assert [(g.pid, g.first, g.last) for g in told.grown] == [(7, 2, 11)]
    parts = {p.part: p for p in told.parts}
    assert (parts["http_worker"].most, parts["http_worker"].mean, parts["psql"].mean) == (11, 6.5, 2)


def test_sums_count_for_their_whole_time() -> None:
    sums = [
        Round(
            at=BEGIN + n * 300,
            seconds=300,
            used=90 if n == 1 else 20,
            used_mean=15.0,
            usable=100,
            looks=60,
            looks_known=30,
        )
        for n in range(4)
    ]
    told = account(sums, until=BEGIN + 1200)
    assert told.figures.seen_seconds == 600 and told.figures.high_seconds == 300 and told.figures.median == 15
    assert told.peak is not None and (told.peak.at, told.peak.until) == (BEGIN + 300, BEGIN + 600)


def test_a_start_that_is_read_some_seconds_off_is_no_restart() -> None:
    starts = [BEGIN - 500, BEGIN - 497, BEGIN - 500, BEGIN + 170, BEGIN + 171]
    looks = [minute(n, 5, server_started_at=at) for n, at in enumerate(starts)]
    assert [e.since for e in account(looks, until=BEGIN + 300).events] == [BEGIN + 170]
