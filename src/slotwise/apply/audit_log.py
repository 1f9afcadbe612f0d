"""The audit log of what slotwise ended: JSON lines that are on disk before anybody is ended."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import msgspec

from slotwise.errors import OperatorError


def default_audit_file() -> Path:
    """``/var/log/slotwise/reap.jsonl`` for root, else below the user's state directory (XDG base directories)."""
    if os.geteuid() == 0:
        return Path("/var/log/slotwise/reap.jsonl")
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "slotwise" / "reap.jsonl"


class AuditLog:
    """An append-only file of JSON lines, readable by its owner only (0600). Several processes may write to it.

    Each line is written at once and flushed to the disk before ``write`` returns. Raises OperatorError where the file
    cannot be made, is a link or no regular file, or the disk is full: then nobody must be ended.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            self._fd = os.open(file, flags, 0o600)
        except OSError as error:
            raise self._mistake(error) from error
        try:
            if not stat.S_ISREG(os.fstat(self._fd).st_mode):
                raise OperatorError(f"{file} is no regular file", "give --audit another file")
            os.fchmod(self._fd, 0o600)
        except OSError as error:
            os.close(self._fd)
            raise self._mistake(error) from error
        except OperatorError:
            os.close(self._fd)
            raise

    def write(self, record: Mapping[str, object]) -> None:
        """Append one line and wait until it is on the disk."""
        line = msgspec.json.encode(record) + b"\n"
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            try:
                size = os.fstat(self._fd).st_size
                # A crash may have torn the last line: what follows must not be glued to it.
                torn = size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"
                self._whole(b"\n" + line if torn else line)
                os.fsync(self._fd)
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        except OSError as error:
            raise self._mistake(error) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _whole(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd, data) :]

    def _mistake(self, error: OSError) -> OperatorError:
        remedy = "nothing is ended without an audit log: make room or rights, or give --audit another file"
        return OperatorError(f"{self.file}: {error.strerror or error}", remedy)
