"""Reads files of the host, and of a container through /proc/PID/root, with the reason where that fails."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from msgspec import Struct

from slotwise.snapshot.evidence import Unavailable

NO_SUCH_FILE = "there is no such file"
"""The reason where a file is not there; every other reason leaves open what it says."""


NO_REGULAR_FILE = "it is a pipe, a socket or a device and no file"


class View(Struct, frozen=True):
    """The file system as one process sees it: ``base`` is where its ``/`` is found from here, ``cwd`` its working
    directory and ``home`` its home, both by its own names."""

    base: Path
    cwd: str = "/"
    home: str | None = None

    def place(self, name: str) -> Path:
        """Where the file that the process calls ``name`` is found from here; ``~`` is its home."""
        if self.home and (name == "~" or name.startswith("~/")):
            name = self.home + name[1:]
        absolute = PurePosixPath(self.cwd) / name
        return self.base / str(absolute).lstrip("/")

    def absolute(self, name: str) -> str:
        """The file's absolute name as the process sees it, ``.`` and ``..`` worked out by text."""
        place = "/" + str(self.place(name).relative_to(self.base))
        parts: list[str] = []
        for part in place.split("/"):
            if part == "..":
                del parts[-1:]
            elif part not in ("", "."):
                parts.append(part)
        return "/" + "/".join(parts)


class NotAFile(OSError):
    """A pipe, a socket or a device: reading it may wait for ever."""


def _opened(path: Path) -> BinaryIO:
    """The file, open for reading. Opening never waits for a writer, as it would where a pipe has the name.

    Raises NotAFile for what is no regular file, IsADirectoryError for a directory, OSError as open does.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise IsADirectoryError if stat.S_ISDIR(mode) else NotAFile


def read_file(path: Path, named: str, at_most_bytes: int = 4 << 20) -> bytes | Unavailable:
    """The file's content; Unavailable with the reason. ``named`` is what people call it. A file larger than
    ``at_most_bytes`` is none that we read here."""
    remedy = f"run slotwise as root, or as a user who may read {named}"
    try:
        with _opened(path) as file:
            content = file.read(at_most_bytes + 1)
    except FileNotFoundError:
        return Unavailable(named, NO_SUCH_FILE, f"check the name, or make {named}")
    except IsADirectoryError:
        return Unavailable(named, "it is a directory", "give the name of a file")
    except NotAFile:
        return Unavailable(named, NO_REGULAR_FILE, "save its content in a file, and give the name of that")
    except OSError as error:
        return Unavailable(named, (error.strerror or "not readable").lower(), remedy)
    if len(content) > at_most_bytes:
        return Unavailable(named, f"it is larger than {at_most_bytes >> 20} MiB", "give the right file")
    return content


def read_tail(path: Path, named: str, at_most_bytes: int) -> str | Unavailable:
    """The last ``at_most_bytes`` of a text file, from the first whole line on."""
    try:
        with _opened(path) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - at_most_bytes))
            content = file.read(at_most_bytes)
    except FileNotFoundError:
        return Unavailable(named, NO_SUCH_FILE, f"check the name of {named}")
    except NotAFile:
        return Unavailable(named, NO_REGULAR_FILE, "give the name of the file that the log is kept in")
    except OSError as error:
        remedy = f"run slotwise as root, or as a user who may read {named}"
        return Unavailable(named, (error.strerror or "not readable").lower(), remedy)
    text = content.decode("utf-8", "replace")
    return text.partition("\n")[2] if size > at_most_bytes else text
