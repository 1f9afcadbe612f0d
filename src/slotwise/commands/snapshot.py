"""Use case: look at the installation and keep what was seen in a file that only its owner may read."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from slotwise.errors import OperatorError
from slotwise.snapshot.json_form import to_json
from slotwise.snapshot.model import Snapshot

STDOUT = "-"


def save_snapshot(look: Callable[[], Snapshot], destination: str) -> Snapshot:
    """Look, and write the Snapshot to ``destination`` (``-``: standard output).

    Raises OperatorError where the file cannot be written; where that is known beforehand, ``look`` is not called.
    """
    if destination != STDOUT:
        _refuse_unwritable(Path(destination))
    snapshot = look()
    content = to_json(snapshot)
    if destination == STDOUT:
        _print(content)
    else:
        write_private(Path(destination), content)
    return snapshot


def _print(content: bytes) -> None:
    """To standard output, unbuffered: a full disk behind it is then known here and not when the interpreter ends."""
    view = memoryview(content)
    try:
        sys.stdout.flush()
        while view:
            view = view[os.write(sys.stdout.fileno(), view) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        problem = f"cannot write to standard output: {error.strerror or error}"
        raise OperatorError(problem, "send it where there is room") from error


def _refuse_unwritable(path: Path) -> None:
    """Say it before the work and not after it."""
    if path.is_dir():
        raise OperatorError(f"{path} is a directory", "give the name of a file: -o snapshot.json")
    if not path.absolute().parent.is_dir():
        raise OperatorError(f"{path.absolute().parent} does not exist", "make that directory, or name another file")


def write_private(path: Path, content: bytes) -> None:
    """Write ``content`` so that the file is whole or not there, and readable by its owner only (mode 0600).

    Raises OperatorError where it cannot be written (no room, no right).
    """
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        temporary = None
    except OSError as error:
        problem = f"cannot write {path}: {error.strerror or error}"
        raise OperatorError(problem, "name a file in a directory that you may write and that has room") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()
