"""The audit log: private, whole lines, on disk, or nothing is done."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from slotwise.apply.audit_log import AuditLog
from slotwise.errors import OperatorError


def test_lines_are_added_and_nobody_else_may_read_them(tmp_path: Path) -> None:
    file = tmp_path / "log" / "reap.jsonl"
    for number in (1, 2):
        with AuditLog(file) as log:
            log.write({"number": number, "text": "ünï\ncode"})
    assert [json.loads(line)["number"] for line in file.read_bytes().splitlines()] == [1, 2]
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_open_file_is_closed_to_others(tmp_path: Path) -> None:
    file = tmp_path / "reap.jsonl"
    file.write_text("")
    file.chmod(0o644)
    with AuditLog(file):
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_line_torn_by_a_crash_does_not_spoil_the_next(tmp_path: Path) -> None:
    file = tmp_path / "reap.jsonl"
    file.write_text('{"number": 1}\n{"num')
    with AuditLog(file) as log:
        log.write({"number": 2})
    assert [line for line in file.read_text().splitlines() if line == '{"number":2}']


@pytest.mark.parametrize("what", ["link", "directory", "pipe", "below a file"])
def test_what_is_no_file_of_ones_own_is_refused(tmp_path: Path, what: str) -> None:
    file = tmp_path / "reap.jsonl"
    if what == "link":
        (tmp_path / "target").touch()
        file.symlink_to(tmp_path / "target")
    elif what == "directory":
        file.mkdir()
    elif what == "pipe":
        os.mkfifo(file)
    else:
        file.touch()
        file = file / "reap.jsonl"
    with pytest.raises(OperatorError):
        AuditLog(file)


def test_a_full_disk_is_the_operators_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with AuditLog(tmp_path / "reap.jsonl") as log:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OperatorError, match="No space left"):
            log.write({})
