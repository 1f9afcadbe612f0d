"""The socket that takes clients in, and leaves enough open files for looking at the server."""

from __future__ import annotations

import resource
import socket
from pathlib import Path

from slotwise.errors import OperatorError

KEPT_FILES = 64
"""Open files that clients are not given: the connection, the history, /proc and what is imported late need some."""
_OPEN = Path("/proc/self/fd")


class Listener(socket.socket):
    """A listening socket that hangs up on a client where open files run short (the limit is ``ulimit -n``).

    Without this the next thing that cannot be opened may be the connection to PostgreSQL, or a file of /proc.
    """

    def accept(self) -> tuple[socket.socket, object]:
        """The next client. Raises ConnectionAbortedError where it was hung up on: asyncio goes on waiting then."""
        client, address = super().accept()
        if files_left() < kept_files():
            client.close()
            raise ConnectionAbortedError("too few open files are left for one more client")
        return client, address


def kept_files() -> int:
    """How many files clients may not use: half of them where there are very few."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(KEPT_FILES, most // 2) if most != resource.RLIM_INFINITY else KEPT_FILES


def files_left() -> int:
    """How many more files this process may open; 0 where not even that can be seen."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        taken = sum(1 for _ in _OPEN.iterdir())
    except OSError:
        return 0
    return most - taken if most != resource.RLIM_INFINITY else KEPT_FILES


def listener(host: str, port: int) -> Listener:
    """The socket, bound before anything else is begun: a port in use is said at once (OperatorError)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = Listener(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(512)
    except OSError as error:
        bound.close()
        raise OperatorError(
            f"cannot listen on {host}:{port}: {error.strerror or error}", "give another --listen HOST:PORT"
        ) from error
    return bound
