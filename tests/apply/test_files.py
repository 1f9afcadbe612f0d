from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from slotwise.apply.files import remove_file, replace_file
from slotwise.errors import OperatorError


def test_owner_rights_and_link_stay(tmp_path: Path) -> None:
    real = tmp_path / "real" / "odoo.conf"
    real.parent.mkdir()
    real.write_bytes(b"old")
    real.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(real, 1234, 4321)
    os.setxattr(real, "user.note", b"kept")
    link = tmp_path / "odoo.conf"
    link.symlink_to(real)
    before = real.stat()
    replace_file(str(link), b"new")
    after = real.stat()
    assert link.is_symlink() and real.read_bytes() == b"new"
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert os.getxattr(real, "user.note") == b"kept"
    assert [p.name for p in real.parent.iterdir()] == ["odoo.conf"]


def test_a_new_file_gets_its_mode_and_the_owner_of_its_directory(tmp_path: Path) -> None:
    directory = tmp_path / "conf.d"
    directory.mkdir()
    if os.geteuid() == 0:
        os.chown(directory, 1234, 4321)
    replace_file(str(directory / "zz.conf"), b"a = 1\n", mode=0o640, like=str(directory))
    made = (directory / "zz.conf").stat()
    assert made.st_mode & 0o777 == 0o640
    assert (made.st_uid, made.st_gid) == (directory.stat().st_uid, directory.stat().st_gid)


def test_hard_links_and_devices_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    os.link(tmp_path / "a", tmp_path / "b")
    with pytest.raises(OperatorError, match="hard links"):
        replace_file(str(tmp_path / "a"), b"new")
    with pytest.raises(OperatorError, match="no regular file"):
        replace_file("/dev/null", b"new")
    assert (tmp_path / "b").read_bytes() == b"old"


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    """A file size limit fails a write in the middle, as a full disk does."""
    target = tmp_path / "odoo.conf"
    target.write_bytes(b"old")
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, former[1]))
        with pytest.raises(OperatorError, match=r"odoo\.conf: File too large"):
            replace_file(str(target), b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
        signal.signal(signal.SIGXFSZ, handler)
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["odoo.conf"]


def test_a_directory_that_takes_no_files_changes_nothing(tmp_path: Path) -> None:
    """Root may write anywhere, so another user tries."""
    directory = tmp_path / "etc"
    directory.mkdir()
    (directory / "odoo.conf").write_bytes(b"old")
    directory.chmod(0o555)
    for parent in (tmp_path, *tmp_path.parents):
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        try:
            replace_file(str(directory / "odoo.conf"), b"new")
        except OperatorError as error:
            os._exit(0 if "Permission denied" in error.problem else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (directory / "odoo.conf").read_bytes() == b"old"
    assert [p.name for p in directory.iterdir()] == ["odoo.conf"]


def test_the_directory_of_the_first_drop_in_comes_and_goes(tmp_path: Path) -> None:
    file = tmp_path / "odoo.service.d" / "slotwise.conf"
    replace_file(str(file), b"[Service]\n")
    assert file.read_bytes() == b"[Service]\n" and file.parent.stat().st_mode & 0o777 == 0o755
    (file.parent / "other.conf").write_bytes(b"")
    remove_file(str(file))
    assert file.parent.is_dir() and not file.exists()
    (file.parent / "other.conf").unlink()
    replace_file(str(file), b"x")
    remove_file(str(file))
    remove_file(str(file))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OperatorError, match="No such file"):
        replace_file(str(tmp_path / "elsewhere" / "a.conf"), b"x")
