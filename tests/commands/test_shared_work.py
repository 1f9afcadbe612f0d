"""Work shared with forked copies: everything is done once, and a copy that fails costs nothing but time."""

import os
import signal
from pathlib import Path

import pytest

from slotwise.commands.shared_work import share

HERE = os.getpid()


def square(number: int) -> int:
    return number * number


@pytest.mark.parametrize("processes", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 7, 3_000])
def test_every_item_is_worked_on_once(count: int, processes: int) -> None:
    assert sorted(share(range(count), square, processes)) == [n * n for n in range(count)]


def test_results_larger_than_a_pipe_come_whole() -> None:
    assert sorted(len(r) for r in share(range(1, 5), lambda n: b"x" * n * 300_000, 3)) == [
        n * 300_000 for n in (1, 2, 3, 4)
    ]


def test_both_work(tmp_path: Path) -> None:
    def waits_for_the_other(number: int) -> int:
        """Ends only when two processes are at it together."""
        (tmp_path / str(os.getpid())).touch()
        while len(list(tmp_path.iterdir())) < 2:
            os.sched_yield()
        return os.getpid()

    assert len(set(share(range(2), waits_for_the_other, 2))) == 2


def test_what_a_killed_copy_did_not_deliver_is_done_here() -> None:
    def dies_elsewhere(number: int) -> int:
        if os.getpid() != HERE:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert sorted(share(range(50), dies_elsewhere, 3)) == list(range(50))


def test_what_raises_elsewhere_raises_here() -> None:
    def fails(number: int) -> int:
        if number == 40:
            raise ValueError(str(number))
        return number

    with pytest.raises(ValueError, match="40"):
        list(share(range(50), fails, 2))


def test_copies_end_with_a_consumer_that_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    forked: list[int] = []
    fork = os.fork

    def noted() -> int:
        pid = fork()
        forked.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", noted)
    before = {path.name for path in Path("/proc/self/fd").iterdir()}
    results = share(range(10), square, 3)
    next(results)
    results.close()
    assert {path.name for path in Path("/proc/self/fd").iterdir()} == before
    assert len(forked) == 2
    for pid in forked:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
