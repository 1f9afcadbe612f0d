"""Folders as they are found: links in a circle, folders that may not be read, loose files."""

import os
from pathlib import Path

import pytest

from slotwise.collectors import addon_files
from slotwise.collectors.addon_files import find_addons, read_bytes


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
