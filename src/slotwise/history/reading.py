"""Reads a history: queries that the store and a mere reader share, and the reader, which changes nothing."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote

import msgspec

from slotwise.errors import OperatorError
from slotwise.snapshot.round import Configured, Round

Resolution = Literal[0, 300, 3600]
"""Seconds that one row stands for; 0: rounds as they were seen."""

SCHEMA_VERSION = 2
"""1: rounds. 2: also what was configured when, in a table of its own."""
SUMS: tuple[Resolution, ...] = (300, 3600)

_T = TypeVar("_T")


def packed(value: msgspec.Struct) -> bytes:
    """A row's body."""
    return zlib.compress(msgspec.msgpack.encode(value), 6)


def round_in(body: bytes) -> Round:
    """The round in a row. Raises sqlite3.DatabaseError where it is none."""
    try:
        return msgspec.msgpack.decode(zlib.decompress(body), type=Round)
    except (zlib.error, msgspec.DecodeError) as error:
        raise sqlite3.DatabaseError(f"malformed row: {error}") from error


def rounds_between(database: sqlite3.Connection, since: float, until: float, resolution: Resolution) -> list[Round]:
    """The rounds (or sums) with ``since <= at < until``, by time."""
    query = "SELECT body FROM round WHERE resolution = ? AND at >= ? AND at < ? ORDER BY at, id"
    rows = database.execute(query, (resolution, since, until)).fetchall()
    return [round_in(body) for (body,) in rows]


def best_between(database: sqlite3.Connection, since: float, until: float, most: int) -> list[Round]:
    """The whole period in the finest resolution that has at most ``most`` rows, joined where the finer rows begin
    later than the coarser ones and where the last sum is not closed yet."""
    for resolution in (0, *SUMS):
        found = rounds_between(database, since, until, resolution)
        if len(found) <= most or resolution == SUMS[-1]:
            break
    if resolution != 0:
        rest = rounds_between(database, found[-1].at + resolution if found else since, until, 0)
        found += rest[-most:]
    first = found[0].at if found else until
    coarser: list[Round] = []
    for wider in SUMS:
        if wider > resolution and not coarser:
            coarser = rounds_between(database, since, first - wider, wider)
    return [*coarser, *found]


def newest_round(database: sqlite3.Connection) -> Round | None:
    """The round that was appended last."""
    row = database.execute("SELECT body FROM round WHERE resolution = 0 ORDER BY id DESC LIMIT 1").fetchone()
    return round_in(row[0]) if row else None


def configurations_until(database: sqlite3.Connection, until: float) -> list[Configured]:
    """What was configured, in the order in which it was seen; empty for a history that does not keep it yet."""
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'configured'").fetchone():
        return []
    rows = database.execute("SELECT body FROM configured WHERE at < ? ORDER BY id", (until,)).fetchall()
    try:
        return [msgspec.msgpack.decode(zlib.decompress(body), type=Configured) for (body,) in rows]
    except (zlib.error, msgspec.DecodeError) as error:
        raise sqlite3.DatabaseError(f"malformed row: {error}") from error


class Reader:
    """A history file that is only read, also while ``record`` writes it, and also where this user may not write."""

    def __init__(self, path: Path) -> None:
        """Open the file. Raises OperatorError where it is missing, damaged, or of a later slotwise."""
        self.path = path
        if not path.is_file():
            remedy = "let `slotwise record` make one, or give --history FILE"
            raise OperatorError(f"there is no history at {path}", remedy)
        self._database = self._opened()

    def rounds(self, since: float, until: float, resolution: Resolution = 0) -> list[Round]:
        """As Store.rounds."""
        return self._read(lambda: rounds_between(self._database, since, until, resolution))

    def best(self, since: float, until: float, most: int = 2_000) -> list[Round]:
        """As Store.best."""
        return self._read(lambda: best_between(self._database, since, until, most))

    def newest(self) -> Round | None:
        """The round that was appended last, None for an empty history."""
        return self._read(lambda: newest_round(self._database))

    def configurations(self, until: float) -> list[Configured]:
        """As Store.configurations."""
        return self._read(lambda: configurations_until(self._database, until))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _opened(self) -> sqlite3.Connection:
        # A file in WAL mode needs its -shm file even to be read; where that cannot be made, nobody writes either
        # (https://www.sqlite.org/wal.html#read_only_databases).
        error: sqlite3.Error | None = None
        for how in ("mode=ro", "mode=ro&immutable=1"):
            database = sqlite3.connect(f"file:{quote(str(self.path.resolve()))}?{how}", uri=True, timeout=5.0)
            try:
                version = int(database.execute("PRAGMA user_version").fetchone()[0])
                if version > 0:
                    database.execute("SELECT at, resolution, body FROM round LIMIT 1").fetchone()
            except sqlite3.Error as trouble:
                database.close()
                error = trouble
                continue
            if 0 < version <= SCHEMA_VERSION:
                return database
            database.close()
            if version > SCHEMA_VERSION:
                raise OperatorError(
                    f"the history {self.path} was written by a later slotwise (schema {version})",
                    "use that version to read it",
                )
            raise OperatorError(f"{self.path} is no history of slotwise's", "give the file that `record` writes")
        raise self._unreadable(error)

    def _read(self, query: Callable[[], _T]) -> _T:
        try:
            return query()
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: sqlite3.Error | None) -> OperatorError:
        return OperatorError(f"the history {self.path} cannot be read: {error}", "give --history with a sound copy")
