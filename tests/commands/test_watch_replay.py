from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from slotwise.commands.watch_feed import NoLook
from slotwise.commands.watch_replay import Replay
from slotwise.errors import OperatorError
from slotwise.findings import Severity
from slotwise.history.store import Store
from slotwise.snapshot.round import FindingSeen, PoolCount, Round
from tests.forecast.test_lives import START, rounds


def recorded(path: Path, hours: float = 12, every: float = 120.0) -> list[Round]:
    """A leak, a gap of one round, one finding that was judged."""
    store = Store(path)
    found: list[Round] = []
    for number, round_ in enumerate(rounds(hours, lambda h: 1.5 * h, every=every)):
        made = structs.replace(round_, max_connections=100, reserved=3, judged=False)
        if number == 7:
            made = Round(at=made.at, gap="pg_stat_activity: the database system is starting up", judged=False)
        if number == 10:
            seen = (FindingSeen("SW202", "slots-high", "warning", "97 slots"),)
            pool = PoolCount("/run:6432", "prod", "odoo", 5, 2, 3, 1, 0, 1.5)
            made = structs.replace(made, judged=True, findings=seen, pools=(pool,))
        store.append(made)
        found.append(made)
    store.close()
    return found


def test_it_begins_with_the_newest_round_and_says_who_leaks(tmp_path: Path) -> None:
    made = recorded(tmp_path / "h.db")
    replay = Replay(tmp_path / "h.db")
    seen = replay.look()
    assert seen.taken_at == made[-1].at and seen.slots is not None and seen.slots.used == made[-1].used
    assert len(seen.sessions) == made[-1].used
    assert seen.replayed is not None and f"{len(made)} of {len(made)} · one look" in seen.replayed
    assert [one.name for one in seen.leaking] == ["http_worker 4121"]
    assert seen.findings[0].id == "leak" and "grows by 1." in seen.findings[0].message
    assert "connections/h; at this rate the last slot goes at " in seen.findings[0].message
    assert {s.holder for s in seen.sessions} == {"http_worker 4121", "http_worker 4122"}


def test_to_and_fro_gaps_and_findings(tmp_path: Path) -> None:
    made = recorded(tmp_path / "h.db")
    replay = Replay(tmp_path / "h.db")
    replay.look()
    replay.move(-len(made))
    first = replay.look()
    assert first.taken_at == START and first.findings == () and first.judged_at is None
    replay.move(7)
    gap = replay.look()
    assert gap.slots is None and gap.sessions == () and gap.gap is not None and "starting up" in gap.gap
    replay.move(4)
    later = replay.look()
    # Judged one look before: not every look is.
    assert [(f.id, f.severity) for f in later.findings] == [("SW202", Severity.WARNING)]
    replay.move(-1)
    assert [p.maxwait_seconds for p in replay.look().pools] == [1.5]
    replay.move(10_000)
    assert replay.look().taken_at == made[-1].at


def test_a_long_history_is_walked_in_sums_and_close_up_in_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slotwise.commands.watch_replay.MOST_ROUNDS", 300)
    recorded(tmp_path / "h.db", hours=6, every=60.0)
    replay = Replay(tmp_path / "h.db")
    replay.look()
    replay.move(-40)
    far = replay.look()
    assert far.replayed is not None and "peak of 5 min" in far.replayed
    replay.zoom()
    near = replay.look()
    assert near.replayed is not None and "one look, close up" in near.replayed
    assert abs(near.taken_at - far.taken_at) <= 60
    replay.move(1)
    assert replay.look().taken_at == near.taken_at + 60
    replay.zoom()
    assert "peak of 5 min" in (replay.look().replayed or "")


def test_what_cannot_be_replayed_is_said(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="there is no history"):
        Replay(tmp_path / "missing.db")
    Store(tmp_path / "empty.db").close()
    with pytest.raises(OperatorError, match="is empty"):
        Replay(tmp_path / "empty.db")
    (tmp_path / "words.db").write_text("no history " * 500)
    with pytest.raises(OperatorError):
        Replay(tmp_path / "words.db")
    recorded(tmp_path / "h.db", hours=1)
    replay = Replay(tmp_path / "h.db")
    session = replay.look().sessions[0]
    for act in (replay.saved, lambda: replay.keep(None), lambda: replay.end(session, only_cancel=True)):
        with pytest.raises(NoLook):
            act()


def test_nothing_is_written_to_it(tmp_path: Path) -> None:
    recorded(tmp_path / "h.db", hours=1)
    before = (tmp_path / "h.db").read_bytes()
    Replay(tmp_path / "h.db").look()
    assert (tmp_path / "h.db").read_bytes() == before
