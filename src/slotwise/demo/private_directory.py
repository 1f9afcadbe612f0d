"""A temporary directory with a janitor: however the program ends, its PostgreSQL servers and its files go.

``finally`` blocks do not run when a program is killed, and a second ^C may hit them half-way. So the directory belongs
to a small shell of its own session that waits for the end of a pipe. The pipe ends when the program closes it or when
the program is gone, in whatever way; then the shell ends every PostgreSQL and PgBouncer process that still has a pid
file in the directory, waits for them, and removes everything.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from slotwise.errors import OperatorError

_PREFIX = "slotwise-"

# A Unix-domain socket's path must fit into 107 bytes (unix(7)); this leaves room for "/<name>/.s.PGSQL.<port>".
_LONGEST_PATH_BYTES = 60

# $1 is the parent directory. The shell makes the directory itself: there is no moment in which it exists unguarded.
# postmaster.pid (PostgreSQL's src/include/utils/pidfile.h): line 1 is the pid, line 7 the SysV shared memory's key and
# id. That segment outlives a postmaster killed with SIGKILL, hence ipcrm; it fails harmlessly where it is gone.
# A pid is only signalled while it is such a process: it could have been used again by something else. A zombie is gone.
_JANITOR = r"""
trap '' INT TERM HUP QUIT
directory=$(mktemp -d "$1/slotwise-XXXXXX") || exit 1
chmod 755 "$directory"
printf '%s\n' "$directory"
exec >/dev/null
cat >/dev/null
for file in "$directory"/*/data/postmaster.pid "$directory"/*/pgbouncer.pid; do
  [ -f "$file" ] || continue
  pid=$(sed -n 1p "$file")
  segment=$(sed -n 7p "$file" | awk '{print $2}')
  tries=0
  while grep -qsx -e postgres -e pgbouncer "/proc/$pid/comm" && ! grep -qs '^State:.Z' "/proc/$pid/status"; do
    [ "$tries" -lt 200 ] && signal=QUIT || signal=KILL
    [ "$((tries % 200))" -eq 0 ] && kill -s "$signal" "$pid"
    tries=$((tries + 1))
    sleep 0.02
  done
  [ -z "$segment" ] || ipcrm -m "$segment" 2>/dev/null
done
tries=0
until rm -rf "$directory" 2>/dev/null || [ "$tries" -ge 100 ]; do tries=$((tries + 1)); sleep 0.02; done
"""

_Self = TypeVar("_Self", bound="PrivateDirectory")


class PrivateDirectory:
    """A fresh directory, readable by everybody, that is gone when the program is gone. A context manager.

    A PostgreSQL server whose data directory is ``<path>/<any name>/data`` is stopped with it.

    Raises OperatorError when no temporary directory can be made.
    """

    def __init__(self) -> None:
        self._janitor: subprocess.Popen[bytes] | None = None
        self._path: Path | None = None

    @property
    def path(self) -> Path:
        """Where it is. Only inside the ``with`` block."""
        assert self._path is not None, "the directory exists only inside its with block"
        return self._path

    def __enter__(self: _Self) -> _Self:
        try:
            self._open()
        except BaseException:
            # A ^C in here would leave the block unentered, and so unended.
            self.close()
            raise
        return self

    def _open(self) -> None:
        parent = _parent()
        # Its own session: a ^C of the terminal must not reach it (and PostgreSQL's orderly stop comes first).
        self._janitor = subprocess.Popen(
            ["/bin/sh", "-c", _JANITOR, "janitor", str(parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            start_new_session=True,
        )
        assert self._janitor.stdout is not None
        line = self._janitor.stdout.readline().decode().strip()
        if not line:
            raise OperatorError(f"no temporary directory can be made in {parent}", "set TMPDIR to a writable directory")
        self._path = Path(line)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the directory and wait until it is gone."""
        if self._janitor is None:
            return
        # communicate() closes the pipe and waits. If a ^C interrupts the wait, the janitor goes on by itself.
        self._janitor.communicate()
        self._janitor = None


def _parent() -> Path:
    """The directory for temporary files; ``/tmp`` if TMPDIR's is too long for a socket or closed to other users."""
    chosen = Path(tempfile.gettempdir())
    if len(os.fsencode(chosen)) <= _LONGEST_PATH_BYTES and (os.geteuid() != 0 or open_to_all(chosen)):
        return chosen
    return Path("/tmp")


def open_to_all(path: Path) -> bool:
    """Whether another user may reach ``path``: every directory on the way can be searched by everybody."""
    resolved = path.resolve()
    return all(_searchable(directory) for directory in (resolved, *resolved.parents))


def _searchable(directory: Path) -> bool:
    try:
        return bool(directory.stat().st_mode & stat.S_IXOTH)
    except OSError:
        return False


def copy_tree(source: Path, destination: Path) -> None:
    """Copy ``source``, without what running it does not need. Raises OSError when it cannot be read."""
    shutil.copytree(source, destination, symlinks=True, ignore=shutil.ignore_patterns("include", "doc", "man"))


def open_up(path: Path) -> None:
    """Let everybody read ``path`` and what is below it, whatever the umask was."""
    subprocess.run(["chmod", "-R", "a+rX", str(path)], check=True)
