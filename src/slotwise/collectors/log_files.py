"""Reads logs: files, directories, standard input; big plain files in parallel; everything into one Tally."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from slotwise.collectors.log_scanner import MAX_CARRY_BYTES, MAX_LINE_BYTES, Scanner
from slotwise.collectors.log_streams import CHUNK_BYTES, EndsEarly, chunks_of, entries_of, packing_of, read_chunks
from slotwise.errors import OperatorError
from slotwise.walls.events import Unread
from slotwise.walls.prefilter import automaton
from slotwise.walls.records import parse_line
from slotwise.walls.tally import Tally

STDIN = "-"
PART_BYTES = 32 << 20
"""A bigger plain file is read in parts of this size, side by side."""
_PARALLEL_BYTES = 48 << 20
"""Below this in all, starting other processes costs more than it saves."""
_LOG_NAMES = (".log", ".csv", ".json", ".txt", ".gz", ".xz", ".bz2", ".zst", "log")


class Progress(NamedTuple):
    """How far the reading is."""

    bytes_done: int
    bytes_total: int
    file: str


class _Part(NamedTuple):
    path: str
    start: int
    end: int | None
    """None: the whole file, as a stream."""
    reference: float
    inode: int = 0
    """The file that was there when the parts were cut, where there are several."""


def read_logs(
    paths: Iterable[str],
    *,
    processes: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Tally:
    """Read every log named by ``paths`` (files, directories, ``-`` for standard input) into one tally.

    Files that cannot be read or end early are counted in ``unread`` with the reason. Raises OperatorError for a path
    that does not exist, or when a file needs a package that is missing.
    """
    total = Tally()
    names = list(paths)
    files = [path for name in names if name != STDIN for path in _files_of(Path(name), total)]
    parts = [part for path in files for part in _parts_of(path, total)]
    size = sum((part.end or Path(part.path).stat().st_size) - part.start for part in parts)
    workers = processes or min(os.cpu_count() or 1, 8)
    if workers > 1 and len(parts) > 1 and size > _PARALLEL_BYTES:
        from concurrent.futures import ProcessPoolExecutor

        automaton(ascii_only=True)  # inherited by the processes that are forked now
        with ProcessPoolExecutor(min(workers, len(parts)), initializer=gc.disable) as pool:
            try:
                _gather(total, parts, pool.map(_read_part, parts), size, on_progress)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    else:
        _gather(total, parts, map(_read_part, parts), size, on_progress)
    if STDIN in names:
        total.merge(_read_stdin())
    return total


def _gather(
    total: Tally,
    parts: list[_Part],
    tallies: Iterator[Tally],
    size: int,
    on_progress: Callable[[Progress], None] | None,
) -> None:
    """Merge the parts in their order; lines of a later part count on from the earlier ones."""
    done = 0
    lines_before = 0
    previous = None
    for part, tally in zip(parts, tallies, strict=True):
        if part.path != previous:
            lines_before, previous = 0, part.path
        total.merge(tally.numbered_from(lines_before))
        lines_before += tally.lines
        done += (part.end - part.start) if part.end is not None else Path(part.path).stat().st_size
        if on_progress is not None:
            on_progress(Progress(done, size, part.path))


def _files_of(path: Path, total: Tally) -> list[Path]:
    if path.is_dir():
        found = sorted((file for file in path.rglob("*") if file.is_file() and _is_log(file)), key=_age)
        if not found:
            total.unread = total.unread.plus(Unread(0, 0, {f"no log files in {path}": 1}))
        return found
    if not path.exists():
        raise OperatorError(
            f"no such log: {path}", "name log files, a directory that holds them, or - for standard input"
        )
    return [path]


def _is_log(path: Path) -> bool:
    name = path.name.lower()
    stem = name.rstrip("0123456789.-")
    return name.endswith(_LOG_NAMES) or stem.endswith(_LOG_NAMES) or ".log" in name


def _age(path: Path) -> tuple[float, str]:
    return path.stat().st_mtime, str(path)


def _parts_of(path: Path, total: Tally) -> list[_Part]:
    try:
        status = path.stat()
        packed = packing_of(path) is not None
    except OSError as error:
        total.unread = total.unread.plus(Unread(0, 0, {f"{path}: {error.strerror or error}": 1}))
        return []
    if packed or not path.is_file() or status.st_size <= PART_BYTES:
        return [_Part(str(path), 0, None, status.st_mtime)]
    edges = [*range(0, status.st_size, PART_BYTES), status.st_size]
    return [_Part(str(path), start, end, status.st_mtime, status.st_ino) for start, end in pairwise(edges)]


def _read_part(part: _Part) -> Tally:
    tally = Tally()
    scanner = Scanner(part.path, part.reference, tally.add)
    try:
        if part.end is None:
            _check_format(part, tally)
            for data in chunks_of(Path(part.path)):
                tally.bytes += len(data)
                scanner.feed(data)
        else:
            _feed_range(part, scanner, tally)
    except EndsEarly as error:
        tally.unread = tally.unread.plus(Unread(0, 0, {f"{part.path}: {error}": 1}))
    except OSError as error:
        tally.unread = tally.unread.plus(Unread(0, 0, {f"{part.path}: {error.strerror or error}": 1}))
    scanner.feed(b"", final=True)
    tally.lines = scanner.lines
    tally.unread = tally.unread.plus(scanner.unread)
    return tally


def _feed_range(part: _Part, scanner: Scanner, tally: Tally) -> None:
    """Feed the records that begin in this part; both neighbours find the same border, so none is lost or told twice."""
    assert part.end is not None
    if part.start == 0:
        _check_format(part, tally)
    with Path(part.path).open("rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if status.st_ino != part.inode:
            missing = part.end - part.start
            tally.unread = tally.unread.plus(Unread(missing, 0, {f"{part.path}: rotated while it was read": 1}))
            return
        start = _border(file, part.start, part.reference)
        left = _border(file, part.end, part.reference) - start
        file.seek(start)
        while left > 0 and (data := file.read(min(CHUNK_BYTES, left))):
            left -= len(data)
            tally.bytes += len(data)
            scanner.feed(data)
        if left > 0:
            tally.unread = tally.unread.plus(Unread(left, 0, {f"{part.path}: cut short while it was read": 1}))


def _border(file: object, offset: int, reference: float) -> int:
    """The first line at or after ``offset`` that begins a record."""
    if offset == 0:
        return 0
    file.seek(offset - 1)  # type: ignore[attr-defined]
    data: bytes = file.read(MAX_CARRY_BYTES)  # type: ignore[attr-defined]
    start = data.find(b"\n") + 1
    if start == 0:
        return offset
    first = start
    for _ in range(2000):
        end = data.find(b"\n", start)
        if end < 0:
            break
        line = data[start : min(end, start + MAX_LINE_BYTES)].rstrip(b"\r")
        if parse_line(line.decode("utf-8", "replace"), reference).form != "more":
            return offset - 1 + start
        start = end + 1
    return offset - 1 + first


def _check_format(part: _Part, tally: Tally) -> None:
    """Say so when a file does not look like a log of any known format: nothing found in it proves nothing."""
    try:
        sample = next(iter(chunks_of(Path(part.path))), b"")[:262_144]
    except (EndsEarly, OSError):
        return
    lines = [line.decode("utf-8", "replace") for line in sample.split(b"\n")[:500] if line.strip()]
    if not lines:
        return
    known = [
        line
        for line in (parse_line(text[:2000], part.reference) for text in lines)
        if line.form != "more" or line.wrapped
    ]
    if not known:
        tally.unread = tally.unread.plus(Unread(0, 0, {f"{part.path}: format not known, searched as plain text": 1}))


def _read_stdin() -> Tally:
    tally = Tally()
    scanner = Scanner("<stdin>", time.time(), tally.add)
    for data in entries_of(read_chunks(sys.stdin.buffer, 1 << 20)):
        tally.bytes += len(data)
        scanner.feed(data)
    scanner.feed(b"", final=True)
    tally.lines = scanner.lines
    tally.unread = tally.unread.plus(scanner.unread)
    return tally
