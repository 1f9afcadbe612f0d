"""The history in one SQLite file: every round as it was seen, sums of 5 minutes and of an hour, bounded in size.

WAL with ``synchronous=FULL``: a round that was appended survives a power cut, and several processes may read and write
(https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html#pragma_synchronous). Rows leave in the order in
which they came and not by their time, so that a clock that jumps years ahead deletes nothing.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from slotwise.errors import OperatorError
from slotwise.history.reading import (
    SCHEMA_VERSION,
    SUMS,
    Resolution,
    best_between,
    configurations_until,
    newest_round,
    packed,
    round_in,
    rounds_between,
)
from slotwise.history.rollup import summed
from slotwise.snapshot.round import Configured, Round

_BUSY_SECONDS = 5.0
_TABLE = """
CREATE TABLE round (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    resolution INTEGER NOT NULL,
    at REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX round_by_time ON round (resolution, at);
"""
_CONFIGURED = "CREATE TABLE configured (id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, body BLOB NOT NULL)"
_MOST_CONFIGURED = 1_000
_DAMAGED = ("malformed", "not a database", "file is encrypted", "no such table", "no such column")


class HistoryUnavailable(Exception):
    """The history could not be written or read just now (disk full, locked, permission lost): say so and go on."""


class Retention(Struct, frozen=True):
    """How much is kept: rows of each resolution, and bytes of the whole file. The oldest rounds leave first.

    The defaults hold a day at one round in 5 seconds, a month of 5-minute sums and two years of hours.
    """

    rounds: int = 17_500
    five_minutes: int = 9_000
    hours: int = 17_600
    size_bytes: int = 128 * 1024 * 1024

    def rows(self, resolution: Resolution) -> int:
        """How many rows of ``resolution`` are kept."""
        return {0: self.rounds, 300: self.five_minutes, 3600: self.hours}[resolution]


class Store:
    """A history file. Safe to use from several threads, and from several processes with a Store each."""

    def __init__(
        self, path: Path, *, retention: Retention | None = None, say: Callable[[str], None] = lambda text: None
    ) -> None:
        """Open the file or begin it. A damaged one is set aside (one such file is kept) and ``say`` is told.

        Raises OperatorError where the place cannot be written or a later slotwise wrote the file.
        """
        self.path = path
        self._retention = retention or Retention()
        self._say = say
        self._lock = threading.RLock()
        self._appended = 0
        self._last_at: float | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = self._opened()
            self._place = _place_of(path)
        except (OSError, sqlite3.OperationalError) as error:
            remedy = "give --history FILE in a directory that this user may write"
            raise OperatorError(f"the history {path} cannot be opened: {error}", remedy) from error

    def append(self, round_: Round) -> None:
        """Keep one round for good, close the sums that it ends, and drop what is too old.

        Raises HistoryUnavailable where that is not possible just now; the next round may succeed.
        """
        self._begin_where_it_was_removed()
        with self._access() as database, database:
            database.execute("BEGIN IMMEDIATE")
            self._insert(database, 0, round_)
            last = self._last_at
            if last is None:
                last = self._newest_before_last(database)
            for width in SUMS:
                if last is not None and last // width != round_.at // width:
                    self._sum_up(database, width, last // width * width)
            if self._appended % 60 == 0:
                self._prune(database)
            self._last_at = round_.at
            self._appended += 1

    def rounds(self, since: float, until: float, resolution: Resolution = 0) -> list[Round]:
        """The rounds (or sums) with ``since <= at < until``, by time. Where nobody looked there is none.

        Raises HistoryUnavailable where the file cannot be read just now.
        """
        with self._access() as database:
            return rounds_between(database, since, until, resolution)

    def best(self, since: float, until: float, most: int = 2_000) -> list[Round]:
        """The whole period in the finest resolution that has at most ``most`` rows, joined where the finer rows begin
        later than the coarser ones and where the last sum is not closed yet."""
        with self._access() as database:
            return best_between(database, since, until, most)

    def newest(self) -> Round | None:
        """The round that was appended last, or None. Raises HistoryUnavailable."""
        with self._access() as database:
            return newest_round(database)

    def configure(self, configured: Configured) -> None:
        """Keep what is configured from now on. Raises HistoryUnavailable where that is not possible just now."""
        with self._access() as database, database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT INTO configured (at, body) VALUES (?, ?)", (configured.at, packed(configured)))
            database.execute(
                "DELETE FROM configured WHERE id <= (SELECT id FROM configured ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (_MOST_CONFIGURED,),
            )

    def configurations(self, until: float) -> list[Configured]:
        """What was configured before ``until``, oldest first; each holds all that was known. Raises
        HistoryUnavailable."""
        with self._access() as database:
            return configurations_until(database, until)

    @property
    def size_bytes(self) -> int:
        """The size of the file's pages that are in use."""
        with self._access() as database:
            return _used_bytes(database)

    def close(self) -> None:
        """Close the file. What was appended is on disk."""
        with self._lock:
            self._database.close()

    def _opened(self) -> sqlite3.Connection:
        try:
            return _open(self.path)
        except sqlite3.OperationalError as error:
            if not _is_damage(error):
                raise
            reason = str(error)
        except sqlite3.DatabaseError as error:
            reason = str(error)
        self._set_aside(reason)
        return _open(self.path)

    def _set_aside(self, reason: str) -> None:
        """Move the damaged file out of the way. An earlier one is overwritten: damage must not fill the disk."""
        aside = self.path.with_name(self.path.name + ".damaged")
        self.path.replace(aside)
        self._without_wal()
        self._say(f"the history {self.path} is damaged ({reason}): it is now {aside.name}, and a new one begins")

    @contextmanager
    def _access(self) -> Iterator[sqlite3.Connection]:
        """The database for one thread at a time; SQLite's errors become HistoryUnavailable, damage a new file."""
        with self._lock:
            try:
                yield self._database
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.ProgrammingError):
                    raise
                if _is_damage(error):
                    self._begin_again(str(error))
                raise HistoryUnavailable(f"the history {self.path}: {error}") from error

    def _begin_where_it_was_removed(self) -> None:
        """A file that was removed or moved away under an open connection goes on taking rounds that nobody will find:
        begin a new one (or take the one that is there now) and say so."""
        with self._lock:
            try:
                if _place_of(self.path) == self._place:
                    return
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._let_go()
                self._database = self._opened()
                self._place = _place_of(self.path)
            except (OSError, sqlite3.DatabaseError) as error:
                raise HistoryUnavailable(f"the history {self.path} was removed, and no new one: {error}") from error
            self._last_at = None
            self._say(f"the history {self.path} was removed or replaced: rounds go on in what is there now")

    def _let_go(self) -> None:
        """Close the file that is no longer at its place, and leave no WAL behind. Every round is in it then, unless
        somebody else is reading it just now.

        SQLite takes a WAL beside a database for its own, whichever file stands there now: it would lay these rounds
        over the rows of a file that was put in this one's place. Of a file that was moved it neither empties nor
        removes the WAL (https://www.sqlite.org/howtocorrupt.html, 1.4 and 2.4).
        """
        try:
            busy = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] != 0
        except sqlite3.DatabaseError:
            busy = True
        self._database.close()
        if busy:
            self._without_wal()

    def _without_wal(self) -> None:
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _begin_again(self, reason: str) -> None:
        self._database.close()
        try:
            self._set_aside(reason)
            self._database = _open(self.path)
            self._place = _place_of(self.path)
        except (OSError, sqlite3.DatabaseError) as error:
            raise HistoryUnavailable(f"the history {self.path} is damaged and cannot be set aside: {error}") from error
        self._last_at = None

    def _insert(self, database: sqlite3.Connection, resolution: Resolution, round_: Round) -> None:
        body = packed(round_)
        database.execute(
            "INSERT INTO round (resolution, at, body) VALUES (?, ?, ?)", (int(resolution), round_.at, body)
        )

    def _newest_before_last(self, database: sqlite3.Connection) -> float | None:
        """When the round before the one just inserted was seen: after a restart its sums may still be open."""
        query = "SELECT at FROM round WHERE resolution = 0 ORDER BY id DESC LIMIT 1 OFFSET 1"
        row = database.execute(query).fetchone()
        return float(row[0]) if row else None

    def _sum_up(self, database: sqlite3.Connection, width: Resolution, begin: float) -> None:
        """(Re)make one sum from its rounds: a clock that was set back only makes it again."""
        query = "SELECT body FROM round WHERE resolution = 0 AND at >= ? AND at < ? ORDER BY at, id"
        rounds = [round_in(body) for (body,) in database.execute(query, (begin, begin + width))]
        if rounds:
            database.execute("DELETE FROM round WHERE resolution = ? AND at = ?", (int(width), begin))
            self._insert(database, width, summed(rounds, begin, float(width)))

    def _prune(self, database: sqlite3.Connection) -> None:
        for resolution in (0, *SUMS):
            # The n-th newest row and everything before it, in the order of arrival.
            database.execute(
                "DELETE FROM round WHERE resolution = ?1 AND id <= "
                "(SELECT id FROM round WHERE resolution = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (int(resolution), self._retention.rows(resolution)),
            )
        while _used_bytes(database) > self._retention.size_bytes:
            before = database.total_changes
            database.execute(
                "DELETE FROM round WHERE id IN (SELECT id FROM round WHERE resolution = "
                "(SELECT min(resolution) FROM round) ORDER BY id LIMIT 500)"
            )
            if database.total_changes == before:
                return


def _open(path: Path) -> sqlite3.Connection:
    """Connect and check. Raises sqlite3.DatabaseError for a damaged file, OperatorError for one of a later version."""
    database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL").fetchone()
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA journal_size_limit = 4194304")
        found = database.execute("PRAGMA quick_check(1)").fetchone()
        if found is None or found[0] != "ok":
            raise sqlite3.DatabaseError(f"malformed: {found[0] if found else 'no answer'}")
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise OperatorError(
                f"the history {path} was written by a later slotwise (schema {version}, this one knows "
                f"{SCHEMA_VERSION})",
                "use that version, or give --history with another file",
            )
        if version < SCHEMA_VERSION:
            _migrate(database)
        database.execute("SELECT at, resolution, body FROM round LIMIT 1").fetchone()
        path.chmod(0o640)
    except BaseException:
        database.close()
        raise
    return database


def _place_of(path: Path) -> tuple[int, int] | None:
    """Which file is at ``path``: its device and its inode; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _migrate(database: sqlite3.Connection) -> None:
    """Make the tables that this version adds, unless another process did it in the meantime. Rows stay as they are."""
    database.execute("BEGIN IMMEDIATE")
    with database:
        version = int(database.execute("PRAGMA user_version").fetchone()[0])
        if version < 1:
            for statement in _TABLE.split(";"):
                database.execute(statement)
        if version < 2:
            database.execute(_CONFIGURED)
        if version < SCHEMA_VERSION:
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _is_damage(error: sqlite3.Error) -> bool:
    return any(words in str(error) for words in _DAMAGED)


def _used_bytes(database: sqlite3.Connection) -> int:
    pages, free, size = (
        int(database.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size
