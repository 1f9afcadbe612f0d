from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from msgspec import structs

from slotwise.history.recorder import Recorder
from slotwise.history.sampler import Sampler
from slotwise.history.store import HistoryUnavailable, Store
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Activity
from slotwise.snapshot.round import Round
from tests.build import host

GONE = Unavailable("pg_stat_activity", "connection refused", "start the server")


class Rounds:
    def __init__(self, *snapshots: Snapshot) -> None:
        self._snapshots = snapshots

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(self._snapshots)


def later(snapshot: Snapshot, seconds: float) -> Snapshot:
    return structs.replace(snapshot, taken_at=snapshot.taken_at + seconds)


def test_rounds_are_kept_and_judged_once_a_minute(tmp_path: Path) -> None:
    clock = iter((0.0, 5.0, 61.0))
    sampler = cast(Sampler, Rounds(*(later(host(), n) for n in range(3))))
    store = Store(tmp_path / "h.db")
    seen = list(Recorder(sampler, store, lambda text: None, clock=lambda: next(clock)).observations())
    assert [o.round.at for o in seen] == [r.at for r in store.rounds(0, 1e12)]
    assert seen[0].verdicts is seen[1].verdicts and seen[1].verdicts is not seen[2].verdicts
    # What the findings count is of the look that was judged, and says so.
    assert [o.judged_at for o in seen] == [seen[0].round.at, seen[0].round.at, seen[2].round.at]
    assert [o.judged_used for o in seen] == [seen[0].round.used, seen[0].round.used, seen[2].round.used]


def test_a_gap_and_a_full_disk_are_said_once_and_again_when_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = structs.replace(host(), activity=GONE, titles=GONE)
    sampler = cast(Sampler, Rounds(host(), blind, blind, host()))
    store = Store(tmp_path / "h.db")
    kept, calls, said = store.append, iter((True, False, False, True)), list[str]()

    def append(round_: Round) -> None:
        if not next(calls):
            raise HistoryUnavailable("database or disk is full")
        kept(round_)

    monkeypatch.setattr(store, "append", append)
    assert len(list(Recorder(sampler, store, said.append).observations())) == 4
    assert [s for s in said if "disk is full" in s] == [said[0]]
    assert any(s.startswith("nothing to count: pg_stat_activity: connection refused") for s in said)
    assert said[-2:] == [f"the history {tmp_path / 'h.db'} takes rounds again", "counting again"]


def test_crossing_a_line_is_judged_at_once(tmp_path: Path) -> None:
    calm = host()
    assert isinstance(calm.activity, Activity)
    first = calm.activity.backends[0]
    more = tuple(structs.replace(first, pid=90_000 + n) for n in range(97))
    full = structs.replace(calm, activity=structs.replace(calm.activity, backends=(*calm.activity.backends, *more)))
    sampler = cast(Sampler, Rounds(calm, full, full))
    recorder = Recorder(sampler, Store(tmp_path / "h.db"), lambda text: None, clock=lambda: 0.0)
    seen = list(recorder.observations())
    found = [{v.id for v in o.verdicts if v.state == "found"} for o in seen]
    assert "SW201" not in found[0] and "SW201" in found[1]
    assert seen[1].verdicts is seen[2].verdicts
