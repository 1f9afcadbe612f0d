"""Folders as they are found: links in a circle, folders that may not be read, loose files."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from slotwise.collectors import addon_files
from slotwise.collectors.addon_files import addons_paths, find_addons, read_bytes
from slotwise.errors import OperatorError


def addon(root: Path, name: str) -> Path:
    folder = root / name
    (folder / "models").mkdir(parents=True)
    (folder / "__manifest__.py").write_text("{}")
    (folder / "models" / "__init__.py").write_text("")
    (folder / "models" / "code.py").write_text("x = 1\n")
    (folder / "static").mkdir()
    (folder / "static" / "tool.py").write_text("x = 1\n")
    return folder


def test_files_are_grouped_by_addon_and_named_by_module(tmp_path: Path) -> None:
    addon(tmp_path, "one")
    (tmp_path / "setup.py").write_text("")
    found, unreadable, _ = find_addons((tmp_path,), tmp_path)
    assert unreadable == ()
    assert [(a.name, a.manifest) for a in found] == [(tmp_path.name, None), ("one", "__manifest__.py")]
    assert [(f.shown, f.module) for f in found[1].files] == [
        ("one/__manifest__.py", "__manifest__"),
        ("one/models/__init__.py", "models"),
        ("one/models/code.py", "models.code"),
    ]


def test_links_in_a_circle_end_and_a_folder_is_entered_once(tmp_path: Path) -> None:
    folder = addon(tmp_path, "one")
    (folder / "models" / "again").symlink_to(tmp_path)
    (folder / "models" / "self").symlink_to(folder / "models")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    found, _, _ = find_addons((tmp_path, tmp_path), tmp_path)
    assert [len(a.files) for a in found] == [3]


def test_an_unreadable_folder_and_file_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    addon(tmp_path, "one")
    locked = str(addon(tmp_path, "two"))
    scandir = os.scandir

    def refuse(path: str) -> "os._ScandirIterator[str]":
        if path == locked:  # the tests may run as root, whom no mode keeps out
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(addon_files.os, "scandir", refuse)
    found, unreadable, _ = find_addons((tmp_path,), tmp_path)
    assert [a.name for a in found] == ["one"]
    assert [(item.shown, item.reason) for item in unreadable] == [("two", "Permission denied")]
    assert read_bytes(str(tmp_path)) == "Is a directory"


def test_what_is_called_like_a_python_file_and_is_none_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = addon(tmp_path, "one")
    monkeypatch.chdir(folder)  # the name of a socket is short
    os.mkfifo("pipe.py")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.py")
    Path("device.py").symlink_to("/dev/zero")
    Path("gone.py").symlink_to("nowhere.py")
    Path("round.py").symlink_to("round.py")
    Path("folder.py").mkdir()
    Path("folder.py", "inside.py").write_text("x = 1\n")
    found, unreadable, _ = find_addons((tmp_path,), tmp_path)
    assert {(item.shown, item.reason) for item in unreadable} == {
        ("one/pipe.py", "no regular file"),
        ("one/socket.py", "no regular file"),
        ("one/device.py", "no regular file"),
        ("one/gone.py", "a link that leads nowhere"),
        ("one/round.py", "Too many levels of symbolic links"),
    }
    assert "one/folder.py/inside.py" in [file.shown for file in found[0].files]
    for read in (lambda: find_addons((Path("pipe.py"),), tmp_path), lambda: addons_paths(Path("pipe.py"))):
        with pytest.raises(OperatorError, match=r"no regular file"):
            read()


def test_a_folder_that_its_mode_locks_is_said_to_an_ordinary_user() -> None:
    with tempfile.TemporaryDirectory() as outside:  # every folder above tmp_path is locked for others
        root = Path(outside)
        root.chmod(0o755)
        (addon(root, "one") / "models").chmod(0)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if os.getuid() == 0:
                    os.setgid(65534)
                    os.setuid(65534)
                _, unreadable, _ = find_addons((root,), root)
                code = 0 if [(u.shown, u.reason) for u in unreadable] == [("one/models", "Permission denied")] else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        (root / "one" / "models").chmod(0o755)


def test_excluded_paths_are_left_out(tmp_path: Path) -> None:
    addon(tmp_path, "one")
    addon(tmp_path, "two")
    found, _, _ = find_addons((tmp_path,), tmp_path, ("two", "*/code.py"))
    assert [(a.name, len(a.files)) for a in found] == [("one", 2)]


def test_a_single_file_brings_its_addon_along_and_a_loose_one_comes_alone(tmp_path: Path) -> None:
    file = addon(tmp_path, "one") / "models" / "code.py"
    loose = tmp_path / "loose.py"
    loose.write_text("pass\n")
    (tmp_path / "left.py").write_text("pass\n")
    found, _, _ = find_addons((file, loose), tmp_path)
    assert [(a.name, a.manifest, a.named) for a in found] == [
        ("one", "__manifest__.py", frozenset({"one/models/code.py"})),
        (tmp_path.name, None, frozenset({"loose.py"})),
    ]
    assert "one/models/code.py" in {f.shown for f in found[0].files}
    assert len(found[0].files) > 1
    assert [f.shown for f in found[1].files] == ["loose.py"]


def test_a_file_that_becomes_a_pipe_after_it_was_found_is_said_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    addons, _, _ = find_addons((tmp_path / "a.py",), tmp_path)
    (tmp_path / "a.py").unlink()
    os.mkfifo(tmp_path / "a.py")
    assert read_bytes(addons[0].files[0].path) == "no regular file"
    with pytest.raises(OperatorError, match="no regular file"):
        addons_paths(tmp_path / "a.py")


def test_a_named_file_that_goes_while_it_is_looked_for_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    above = addon_files._addon_above

    def gone(folder: str) -> str | None:
        (tmp_path / "a.py").unlink(missing_ok=True)
        return above(folder)

    monkeypatch.setattr(addon_files, "_addon_above", gone)
    addons, unreadable, _ = find_addons((tmp_path / "a.py",), tmp_path)
    assert addons == ()
    assert [(u.shown, u.reason) for u in unreadable] == [("a.py", "No such file or directory")]
