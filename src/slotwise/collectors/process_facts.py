"""What was read about one process, before anything is concluded from it."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from msgspec import Struct


class ProcessFacts(Struct, frozen=True):
    """One process as /proc shows it. It may hold secrets (arguments, environment) and never enters a Snapshot.

    ``inodes`` are the inodes of its sockets, None where its file descriptors may not be read. ``namespace`` is the
    inode of its network namespace, None where that is not known. ``pid_inside`` is the pid in its own pid namespace
    where that lies below ours. ``environment`` holds only the names that Odoo or
    libpq read, None where it may not be read.
    """

    pid: int
    ppid: int
    arguments: tuple[str, ...]
    command: str = ""
    user: str | None = None
    started_at: float | None = None
    inodes: tuple[int, ...] | None = ()
    container: bool = False
    namespace: int | None = None
    cwd: str | None = None
    home: str | None = None
    environment: Mapping[str, str] | None = None
    pid_inside: int | None = None

    def __repr__(self) -> str:
        return f"ProcessFacts(pid={self.pid}, command={self.command!r})"

    @property
    def title(self) -> str:
        """The command line as one text: what a program that rewrites its title shows."""
        return " ".join(a for a in self.arguments if a).strip()

    @property
    def program(self) -> str:
        """The name of the executable: of argv[0], else the kernel's 15 characters of it. A title of PostgreSQL gives
        ``postgres``."""
        first = self.arguments[0] if self.arguments else ""
        if first.startswith("postgres:"):
            return "postgres"
        return posixpath.basename(first) or self.command
