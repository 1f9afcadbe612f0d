"""Imported names that a function may use to open or wait for something, whatever they are called locally."""

from __future__ import annotations

from slotwise.leaks.held import WAITING_CALLS
from slotwise.leaks.resources import OPENING_CALLS

_MAKERS = frozenset(
    {
        "requests.Session",
        "requests.session",
        "paramiko.SSHClient",
        "subprocess.Popen",
        "sqlalchemy.orm.sessionmaker",
        "sqlalchemy.orm.scoped_session",
    }
)
_MODULES = frozenset({name.rpartition(".")[0] for name in WAITING_CALLS} | {"requests", "httpx", "paramiko"})
_VERBS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "request"})


def opens_or_waits(full: str) -> bool:
    """Whether the dotted name is one that opens a connection, waits for somebody, or makes what does."""
    if full in OPENING_CALLS or full in WAITING_CALLS or full in _MAKERS:
        return True
    if full in _MODULES:
        return True
    root, _, last = full.rpartition(".")
    return root in ("requests", "httpx", "requests.api") and last in _VERBS
