"""The journal of every change: JSON lines, flushed before each step, from which a change is undone or finished.

One directory for each change under the state directory: ``journal.jsonl`` with the header, the steps and what happened,
and the content of every file before and after it. All of it is readable by its owner only, since odoo.conf holds
passwords.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from slotwise.errors import OperatorError
from slotwise.fixes.remedy import Step, WriteFile

SCHEMA = "slotwise.journal/1"

Event = Literal["begin", "done", "undo", "undone", "verified", "rolled back", "failed"]


class Header(Struct, frozen=True, tag_field="line", tag="header"):
    """The first line. ``created`` is epoch seconds; ``titles`` say what was changed, for --history."""

    schema: str
    id: str
    created: float
    slotwise_version: str
    titles: tuple[str, ...]
    steps: tuple[Step, ...]
    database: dict[str, str] | None = None
    database_uid: int | None = None
    consoles: dict[str, dict[str, str]] = {}
    console_uids: dict[str, int] = {}
    """How the servers were reached (libpq parameters without passwords), for --rollback and --resume."""


class Entry(Struct, frozen=True, tag_field="line", tag="event"):
    """A later line: ``step`` is the number of the step, None for the whole change."""

    at: float
    event: Event
    step: int | None = None
    text: str = ""


State = Literal["applied", "rolled back", "interrupted", "rollback interrupted", "failed"]


class Change(Struct, frozen=True):
    """One journalled change with what happened so far."""

    header: Header
    entries: tuple[Entry, ...]
    directory: str

    def __repr__(self) -> str:
        return f"Change({self.header.id!r})"

    @property
    def state(self) -> State:
        """How far it came: *interrupted* where slotwise ended in the middle."""
        last = self.entries[-1].event if self.entries else "begin"
        if last == "verified":
            return "applied"
        if last == "rolled back":
            return "rolled back"
        if last == "failed":
            return "failed"
        return "rollback interrupted" if last in ("undo", "undone") else "interrupted"

    def done(self, step: int) -> bool:
        """Whether the step was finished and not undone since."""
        events = [e.event for e in self.entries if e.step == step]
        return bool(events) and events[-1] == "done"

    def begun(self, step: int) -> bool:
        """Whether the step may have changed something that is not undone."""
        events = [e.event for e in self.entries if e.step == step]
        return bool(events) and events[-1] != "undone"


class Journal:
    """Writes one change's journal. Every line is on the disk when the method returns."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "journal.jsonl"

    def write(self, line: Header | Entry) -> None:
        """Append one line. Raises OperatorError when the disk does not take it."""
        data = msgspec.json.encode(line) + b"\n"
        try:
            handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                while data:
                    data = data[os.write(handle, data) :]
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise OperatorError(f"{self._file}: {error.strerror}", "make room, or give another --state DIR") from error


class Journals:
    """All changes of one state directory, made (0700) when the first one is written."""

    def __init__(self, state: Path) -> None:
        self.state = state

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold off a second slotwise that changes something. Raises OperatorError when one is at work."""
        self._make()
        lock = self.state / "lock"
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise OperatorError(f"{lock}: {error.strerror}", "make room, or give another --state DIR") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise OperatorError("another slotwise fix is at work", "wait until it has ended") from error
        try:
            yield
        finally:
            os.close(handle)

    def begin(self, header: Header) -> Journal:
        """A new change's journal. Raises OperatorError when the disk does not take it."""
        directory = self.state / header.id
        try:
            directory.mkdir(mode=0o700)
        except OSError as error:
            raise OperatorError(f"{directory}: {error.strerror}", "give another --state DIR") from error
        journal = Journal(directory)
        try:
            _back_up(directory, header.steps)
            journal.write(header)
        except OperatorError:
            # Nothing is begun: half a journal would only keep passwords and a name that is needed again.
            shutil.rmtree(directory, ignore_errors=True)
            raise
        flush(self.state)
        return journal

    def names(self) -> tuple[str, ...]:
        """Every name in the state directory, those of changes whose journal was never begun too."""
        return tuple(path.name for path in self.state.iterdir()) if self.state.is_dir() else ()

    def journal(self, change: Change) -> Journal:
        """To go on writing a change's journal."""
        return Journal(Path(change.directory))

    def all(self) -> tuple[Change, ...]:
        """Every change that can be read, oldest first."""
        if not self.state.is_dir():
            return ()
        try:
            files = sorted(self.state.glob("*/journal.jsonl"))
            found = [_read(file) for file in files]
        except PermissionError as error:
            raise OperatorError(
                f"{self.state} may not be read", "run slotwise as the user who made the change"
            ) from error
        return tuple(sorted((one for one in found if one is not None), key=lambda c: (c.header.created, c.header.id)))

    def find(self, identifier: str | None) -> Change:
        """The change called ``identifier``, or the newest that is not rolled back. Raises OperatorError for none."""
        every = self.all()
        if identifier is None:
            left = [c for c in every if c.state != "rolled back"]
            if not left:
                raise OperatorError(
                    f"no change in {self.state} can be rolled back", "`slotwise fix --history` lists them"
                )
            return left[-1]
        for change in every:
            if change.header.id == identifier:
                return change
        raise OperatorError(f"no change {identifier} in {self.state}", "`slotwise fix --history` lists them")

    def interrupted(self) -> Change | None:
        """The newest change that slotwise neither finished nor undid, None where there is none."""
        left = [c for c in self.all() if c.state in ("interrupted", "rollback interrupted", "failed")]
        return left[-1] if left else None

    def _make(self) -> None:
        try:
            self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OperatorError(f"{self.state}: {error.strerror}", "give another --state DIR") from error


def _back_up(directory: Path, steps: tuple[Step, ...]) -> None:
    """A plain copy of every file as it was: the journal holds it too, but a person can copy this one back."""
    for number, step in enumerate(steps):
        if isinstance(step, WriteFile) and step.before is not None:
            copy = directory / f"{number}-{Path(step.path).name}.before"
            try:
                handle = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "wb") as file:
                    file.write(step.before)
                    file.flush()
                    os.fsync(handle)
            except OSError as error:
                raise OperatorError(f"{copy}: {error.strerror}", "make room, or give another --state DIR") from error


def flush(directory: Path) -> None:
    """Bring a directory's entries to the disk."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(file: Path) -> Change | None:
    """The change, or None where not even its header was written whole. A torn last line is left out."""
    lines = file.read_bytes().split(b"\n")
    header: Header | None = None
    entries: list[Entry] = []
    for raw in lines:
        try:
            line = msgspec.json.decode(raw, type=Header | Entry)
        except msgspec.DecodeError:
            continue
        if isinstance(line, Header):
            header = line
        else:
            entries.append(line)
    return None if header is None else Change(header, tuple(entries), str(file.parent))


def new_identifier(at: float, taken: tuple[str, ...]) -> str:
    """``20261123-194407``: the moment in UTC; with ``-2`` and so on where one second saw more than one change."""
    import datetime

    name = datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")
    number, wanted = 1, name
    while wanted in taken:
        number += 1
        wanted = f"{name}-{number}"
    return wanted
