"""The disk is full at any point of a change, or read-only: files are the old or the new ones, whole, and what was begun
can be undone or finished when there is room again."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from slotwise.apply.hand import Hand
from slotwise.apply.journal import Journals
from slotwise.apply.servers import Servers
from slotwise.errors import OperatorError
from tests.apply.disk import fill, in_a_child, own_disk, read_only
from tests.apply.dying import NEW, OLD, plan
from tests.apply.test_crash import assert_whole, content, lay_out, left_over

DISK_KILOBYTES = 512
FREE_KILOBYTES = range(0, 112, 4)
FULL = ("No space left", "File too large", "Read-only", "Permission denied")


def outcome(state: Path, directory: Path) -> str:
    """How apply ends."""
    journals = Journals(state)
    try:
        with journals.locked():
            Hand(journals, Servers(None)).apply(plan(directory))
    except OperatorError as error:
        assert any(words in error.problem for words in FULL), error.problem
        return "refused"
    return "applied"


def mended(state: Path, directory: Path, finish: bool) -> str:
    """There is room again: what was left in the middle is finished or undone."""
    journals = Journals(state)
    change = journals.interrupted()
    if change is None:
        return "nothing was left"
    hand = Hand(journals, Servers(None))
    if finish and change.state == "interrupted":
        hand.resume(change)
        return "applied"
    hand.roll_back(change)
    return "undone"


def scene(place: Path) -> tuple[Path, Path]:
    place.mkdir()
    return place / "state", place / "files"


def limited(free_kilobytes: int, place: Path) -> Callable[[], None]:
    """Only so much can be written; gives back how to make room. A real full disk where the kernel lets this process
    mount one, else a limit of each file's size."""
    try:
        own_disk(place, DISK_KILOBYTES)
    except PermissionError:
        former = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (free_kilobytes * 1024, former[1]))
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, former)
    lay_out(place / "files")
    return fill(place, free_kilobytes).unlink


@pytest.mark.parametrize("finish", [False, True], ids=["undone", "finished"])
def test_a_disk_full_of_journal_and_files_at_every_size(tmp_path: Path, finish: bool) -> None:
    def try_all() -> None:
        ends = []
        for free in FREE_KILOBYTES:
            state, directory = scene(tmp_path / str(free))
            make_room = limited(free, directory.parent)
            if not directory.exists():
                lay_out(directory)
            first = outcome(state, directory)
            assert_whole(directory)
            make_room()
            then = mended(state, directory, finish)
            new = "applied" in (first, then)
            assert content(directory) == (NEW if new else OLD), f"{free} KiB free: {first}, {then}"
            assert left_over(directory) == [] and Journals(state).interrupted() is None
            if not new:
                assert outcome(state, directory) == "applied" and content(directory) == NEW
            ends.append(first)
        assert ends[0] == "refused" and ends[-1] == "applied" and "refused" not in ends[ends.index("applied") :]

    in_a_child(try_all)


def test_the_journals_disk_is_full_while_the_files_have_room(tmp_path: Path) -> None:
    def try_all() -> None:
        ends = []
        for free in FREE_KILOBYTES:
            state, directory = scene(tmp_path / str(free))
            state.mkdir()
            make_room = limited(free, state)
            lay_out(directory)
            first = outcome(state, directory)
            assert content(directory) == (NEW if first == "applied" else OLD)
            make_room()
            mended(state, directory, finish=False)
            assert content(directory) == (NEW if first == "applied" else OLD)
            ends.append(first)
        assert ends[0] == "refused" and ends[-1] == "applied"

    in_a_child(try_all)


@pytest.mark.parametrize("which", ["state", "files"])
def test_a_read_only_directory_changes_nothing(tmp_path: Path, which: str) -> None:
    def try_it() -> None:
        state, directory = scene(tmp_path / "host")
        closed = {"state": state, "files": directory}[which]
        closed.mkdir()
        try:
            own_disk(closed, DISK_KILOBYTES)
        except PermissionError:
            undone = closed.chmod
        else:
            undone = None
        for name, text in OLD.items():
            directory.mkdir(exist_ok=True)
            (directory / name).write_bytes(text)
        closed.chmod(0o555) if undone is not None else read_only(closed, DISK_KILOBYTES)
        assert outcome(state, directory) == "refused"
        assert content(directory) == OLD and left_over(directory) == []
        if undone is not None:
            undone(0o755)

    in_a_child(try_it)
