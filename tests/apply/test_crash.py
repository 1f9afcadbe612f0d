"""Killed at every point of a change: each file is the old or the new one, whole, and the change can be undone or
finished."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from slotwise.apply.hand import Hand
from slotwise.apply.journal import Journals
from slotwise.apply.servers import Servers
from slotwise.errors import OperatorError
from tests.apply import dying
from tests.apply.dying import NEW, OLD, plan


def lay_out(directory: Path) -> None:
    directory.mkdir()
    for name, content in OLD.items():
        (directory / name).write_bytes(content)


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if not path.name.startswith(".")}


def left_over(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir() if path.name.startswith(".")]


def killed(work: Callable[[], None]) -> bool:
    """Whether a child that does ``work`` died of a signal; False: it lived through. A fork is quicker than a new
    interpreter."""
    child = os.fork()
    if child == 0:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 the child ends here
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def killed_at(point: int, state: Path, directory: Path, what: str) -> bool:
    """Whether it died at that point."""
    return killed(lambda: dying.main(state, directory, point, what))


def every_point(tmp_path: Path, what: str, prepare_apply: bool) -> list[tuple[Path, Path]]:
    """A scene for each point at which the child was killed."""
    scenes: list[tuple[Path, Path]] = []
    for point in range(1, 200):
        state, directory = tmp_path / f"state-{point}", tmp_path / f"files-{point}"
        lay_out(directory)
        if prepare_apply:
            assert not killed_at(0, state, directory, "apply")
        if not killed_at(point, state, directory, what):
            return scenes
        scenes.append((state, directory))
    raise AssertionError("it never lived through")


def assert_whole(directory: Path) -> None:
    for name, seen in content(directory).items():
        assert seen in (OLD.get(name), NEW[name]), f"{name} is neither old nor new"


def test_killed_at_every_point_of_apply_the_change_is_undone_exactly(tmp_path: Path) -> None:
    scenes = every_point(tmp_path, "apply", prepare_apply=False)
    assert len(scenes) >= 15
    for state, directory in scenes:
        assert_whole(directory)
        journals = Journals(state)
        if journals.interrupted() is not None:
            Hand(journals, Servers(None)).roll_back(journals.find(None))
            assert journals.all()[-1].state == "rolled back"
        if journals.all() and journals.all()[-1].state == "applied":
            assert content(directory) == NEW
        else:
            assert content(directory) == OLD
            assert left_over(directory) == []


def test_killed_at_every_point_of_apply_the_change_is_finished(tmp_path: Path) -> None:
    for state, directory in every_point(tmp_path, "apply", prepare_apply=False):
        journals = Journals(state)
        change = journals.interrupted()
        if change is not None:
            Hand(journals, Servers(None)).resume(change)
            assert content(directory) == NEW
            assert journals.all()[-1].state == "applied"


def test_killed_at_every_point_of_rollback_another_rollback_ends_it(tmp_path: Path) -> None:
    scenes = every_point(tmp_path, "rollback", prepare_apply=True)
    assert len(scenes) >= 8
    for state, directory in scenes:
        assert_whole(directory)
        journals = Journals(state)
        if journals.all()[-1].state != "rolled back":
            Hand(journals, Servers(None)).roll_back(journals.find(None))
        assert content(directory) == OLD


def test_killed_at_every_point_of_resume_another_resume_ends_it(tmp_path: Path) -> None:
    for point in range(1, 100):
        state, directory = tmp_path / f"state-{point}", tmp_path / f"files-{point}"
        lay_out(directory)
        assert killed_at(6, state, directory, "apply")
        died = killed_at(point, state, directory, "resume")
        assert_whole(directory)
        journals = Journals(state)
        change = journals.interrupted()
        if change is not None:
            Hand(journals, Servers(None)).resume(change)
        assert content(directory) == NEW
        if not died:
            return
    raise AssertionError("it never lived through")


def test_a_second_slotwise_is_held_off(tmp_path: Path) -> None:
    journals = Journals(tmp_path / "state")
    with journals.locked(), pytest.raises(OperatorError, match="another"), Journals(tmp_path / "state").locked():
        pass


def test_a_file_that_changed_since_is_not_touched(tmp_path: Path) -> None:
    lay_out(tmp_path / "files")
    proposal = plan(tmp_path / "files")
    (tmp_path / "files" / "odoo.conf").write_bytes(b"[options]\nworkers = 5\n")
    journals = Journals(tmp_path / "state")
    with journals.locked(), pytest.raises(OperatorError, match="has changed since"):
        Hand(journals, Servers(None)).apply(proposal)
    assert content(tmp_path / "files") == {**OLD, "odoo.conf": b"[options]\nworkers = 5\n"}
    assert journals.all() == ()


def test_rollback_refuses_to_overwrite_a_later_change(tmp_path: Path) -> None:
    lay_out(tmp_path / "files")
    journals = Journals(tmp_path / "state")
    with journals.locked():
        Hand(journals, Servers(None)).apply(plan(tmp_path / "files"))
        (tmp_path / "files" / "odoo.conf").write_bytes(b"mine")
        with pytest.raises(OperatorError, match="changed by somebody else"):
            Hand(journals, Servers(None)).roll_back(journals.find(None))
    assert content(tmp_path / "files") == {**NEW, "odoo.conf": b"mine"}


def test_a_failed_check_puts_everything_back(tmp_path: Path) -> None:
    lay_out(tmp_path / "files")
    journals = Journals(tmp_path / "state")

    def check() -> None:
        assert content(tmp_path / "files") == NEW
        raise OperatorError("SW101 speaks", "look")

    with journals.locked(), pytest.raises(OperatorError, match="SW101 speaks; everything was put back"):
        Hand(journals, Servers(None)).apply(plan(tmp_path / "files"), check)
    assert content(tmp_path / "files") == OLD
    assert journals.all()[-1].state == "rolled back"


def test_the_journal_and_the_backups_are_for_their_owner_only(tmp_path: Path) -> None:
    lay_out(tmp_path / "files")
    journals = Journals(tmp_path / "state")
    with journals.locked():
        applied = Hand(journals, Servers(None)).apply(plan(tmp_path / "files"))
    directory = tmp_path / "state" / applied.id
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in directory.iterdir()} == {0o600}
    assert (directory / "0-odoo.conf.before").read_bytes() == OLD["odoo.conf"]
