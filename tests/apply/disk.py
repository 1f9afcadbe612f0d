"""A disk of a chosen size for a child process, really full: a tmpfs in a mount namespace of its own."""

from __future__ import annotations

import ctypes
import os
import traceback
from collections.abc import Callable
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_RDONLY, _MS_REMOUNT, _MS_REC, _MS_PRIVATE = 1, 32, 16384, 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def _call(done: int) -> None:
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def own_disk(place: Path, kilobytes: int) -> None:
    """Mount a tmpfs that only this process sees, and that goes with it. An ordinary user becomes root of a user
    namespace for that. Raises OSError where the kernel grants neither."""
    root = os.geteuid() == 0
    _call(_libc.unshare(_CLONE_NEWNS | (0 if root else _CLONE_NEWUSER)))
    _call(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None))
    _call(_libc.mount(b"tmpfs", str(place).encode(), b"tmpfs", 0, f"size={kilobytes}k".encode()))


def read_only(place: Path, kilobytes: int) -> None:
    """Nothing can be written there any more, not even by root."""
    flags = _MS_REMOUNT | _MS_RDONLY
    _call(_libc.mount(b"tmpfs", str(place).encode(), b"tmpfs", flags, f"size={kilobytes}k".encode()))


def fill(place: Path, free_kilobytes: int) -> Path:
    """Leave so much free. The file that takes the rest, to be removed to make room."""
    ballast = place / "ballast"
    seen = os.statvfs(place)
    size = max(0, seen.f_bavail * seen.f_frsize - free_kilobytes * 1024)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, size))
    return ballast


def in_a_child(work: Callable[[], None]) -> None:
    """``work`` in a process of its own: a mount namespace cannot be left again."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            # The child must not go on as a second pytest.
            traceback.print_exc()
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
