"""Replaces a file so that at every moment the old or the new one is there, whole, with the same owner and rights."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from slotwise.errors import OperatorError

Notify = Callable[[str], None]
"""Called with the name of each point that was just passed. Tests stop the process there."""

MODE_BITS = 0o7777
DROP_INS = ".service.d"


def read_file(path: str) -> bytes | None:
    """The content, or None where there is no such file. Raises OperatorError where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}", "run slotwise as a user who may read it") from error


def replace_file(
    path: str, content: bytes, notify: Notify = lambda point: None, mode: int = 0o644, like: str | None = None
) -> None:
    """Write ``content`` beside the file, flush it to the disk, and rename it over the file.

    A symbolic link stays one: the file that it leads to is replaced. Owner, group, rights and extended attributes
    (ACLs) are those of the old file; a new one gets ``mode`` and the owner of ``like``. Raises OperatorError when that
    is not possible; the old file is untouched then.

    The directory of a unit's first drop-in is made (``NAME.service.d``), and goes again with the last one.
    """
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name}.slotwise-new")
    try:
        if target.parent.name.endswith(DROP_INS):
            target.parent.mkdir(mode=0o755, exist_ok=True)
        old = target.stat() if target.exists() else None
        if old is not None and not stat.S_ISREG(old.st_mode):
            raise OperatorError(f"{path} is no regular file", "change it by hand")
        if old is not None and old.st_nlink > 1:
            raise OperatorError(
                f"{path} has {old.st_nlink} hard links, and replacing it would part them", "change it by hand"
            )
        with suppress(FileNotFoundError):
            beside.unlink()
        _write(beside, content, notify)
        _dress(beside, target, old, mode, like)
        notify(f"written {path}")
        beside.replace(target)
        notify(f"renamed {path}")
        _flush_directory(target.parent)
    except OSError as error:
        raise OperatorError(
            f"{path}: {error.strerror or error}", "nothing was changed in it; see to space and rights"
        ) from error
    finally:  # also when ^C came between
        with suppress(OSError):
            beside.unlink()


def remove_file(path: str, notify: Notify = lambda point: None) -> None:
    """Remove a file; does nothing where there is none. Raises OperatorError when that is not possible."""
    try:
        Path(path).unlink(missing_ok=True)
        notify(f"removed {path}")
        parent = Path(path).parent
        if parent.name.endswith(DROP_INS) and parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
            parent = parent.parent
        if parent.is_dir():
            _flush_directory(parent)
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror or error}", "remove it by hand") from error


def _write(beside: Path, content: bytes, notify: Notify) -> None:
    # Nobody else may read it before it has the rights of the file that it replaces.
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        view = memoryview(content)
        half = len(view) // 2
        for part in (view[:half], view[half:]):
            while part:
                part = part[os.write(handle, part) :]
            notify(f"writing {beside.name}")
        os.fsync(handle)
    finally:
        os.close(handle)


def _dress(beside: Path, target: Path, old: os.stat_result | None, mode: int, like: str | None) -> None:
    owner = old if old is not None else (Path(like).stat() if like is not None else None)
    mine = beside.stat()
    if owner is not None and (owner.st_uid, owner.st_gid) != (mine.st_uid, mine.st_gid):
        os.chown(beside, owner.st_uid, owner.st_gid)
    if old is not None:
        for name in _attributes(target):
            # What the kernel keeps for itself (security.*) may be refused; the new file then has its default.
            with suppress(OSError):
                os.setxattr(beside, name, os.getxattr(target, name))
    beside.chmod(stat.S_IMODE(old.st_mode) & MODE_BITS if old is not None else mode)


def _attributes(path: Path) -> list[str]:
    try:
        return os.listxattr(path)
    except OSError:
        return []


def _flush_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
