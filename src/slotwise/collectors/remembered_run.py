"""Remembers what a whole run of the scan printed, so that an unchanged tree is answered before anything is imported.

One file for each working folder holds its last run: the command line, the state of everything that the run depended
on (folders entered, files read, settings looked for, the program itself), and the bytes it printed. A folder's
modification time changes when a name in it comes or goes (POSIX, ``mkdir``, ``rename``, ``unlink``), so that nothing
needs to be listed again. What cannot be known this way is not remembered; see :func:`remember`.
Only what every Python has loaded already is imported at the top: the answer costs less than one import.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Iterable, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Stamp: TypeAlias = tuple[int, int, int]

# A write within the same tick of a file system's clock leaves no trace in the time stamp. The coarsest clock that is
# still met is FAT's (two seconds); git distrusts its index in the same way (Documentation/technical/racy-git.txt).
_DISTRUSTED_NS = 2_000_000_000
_MAGIC = b"slotwise remembered run 1\n"
_ABSENT = b"-"


def answer(arguments: Sequence[str]) -> tuple[bytes, int] | None:
    """What the same command line printed here before, and its exit code, or None when anything may have changed."""
    try:
        with open(_place(), "rb") as stream:  # noqa: PTH123 pathlib is not imported here
            head, sizes, rest = stream.read().split(b"\n", 2)
            key_size, states_size, exit_code, checksum = map(int, sizes.split())
    except (OSError, ValueError):
        return None
    if head + b"\n" != _MAGIC or zlib.crc32(rest) != checksum or rest[:key_size] != _key(arguments):
        return None
    states = rest[key_size : key_size + states_size].split(b"\0")
    for path, state in zip(states[0::2], states[1::2], strict=True):
        if _state(path) != state:
            return None
    return rest[key_size + states_size :], exit_code


def remember(
    arguments: Sequence[str],
    seen: Iterable[tuple[str, Stamp | None]],
    watched: Iterable[str],
    printed: bytes,
    exit_code: int,
    began_ns: int,
) -> bool:
    """Keep what a run printed, and return whether it is kept. A place that cannot be written is no error.

    ``seen`` are the paths that the run depended on, with (modification time in ns, size in bytes, inode) from before
    they were read; None stands for a path that was not there. ``watched`` are paths whose present state counts.
    Nothing is kept when something changed after ``began_ns``, or so shortly before that a further change might not
    show.
    """
    states = {os.fsencode(path): _ABSENT if stamp is None else b"%d %d %d" % stamp for path, stamp in seen}
    own = (module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "slotwise")
    states.update((os.fsencode(path), _state(os.fsencode(path))) for path in (*watched, *filter(None, own)))
    newest = max((int(state.partition(b" ")[0]) for state in states.values() if state != _ABSENT), default=0)
    if newest > began_ns - _DISTRUSTED_NS:
        return False
    key, listed = _key(arguments), b"\0".join(b"\0".join(pair) for pair in states.items())
    rest = key + listed + printed
    sizes = b"%d %d %d %d\n" % (len(key), len(listed), exit_code, zlib.crc32(rest))
    place = _place()
    temporary = f"{place}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:  # noqa: PTH123
            stream.write(_MAGIC + sizes + rest)
        os.replace(temporary, place)  # noqa: PTH105
    except OSError:
        return False
    return True


def _key(arguments: Sequence[str]) -> bytes:
    """What a run depends on besides files: the command line, the Python, and what decides about colour."""
    colour = f"{sys.stdout is not None and sys.stdout.isatty()} {'NO_COLOR' in os.environ}"
    return b"\0".join(os.fsencode(part) for part in (sys.version, sys.prefix, colour, os.getcwd(), *arguments))  # noqa: PTH109


def _state(path: bytes) -> bytes:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return _ABSENT
    return b"%d %d %d" % (status.st_mtime_ns, status.st_size, status.st_ino)


def _place() -> str:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    here = os.fsencode(os.getcwd())  # noqa: PTH109
    return os.path.join(cache, "slotwise", f"scan-run-{zlib.crc32(here):08x}-{zlib.adler32(here):08x}")  # noqa: PTH118
