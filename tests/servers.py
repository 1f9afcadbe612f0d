"""Real servers for tests: which PostgreSQL stands for which version, and how to wait for something without sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from slotwise.demo.postgres_binaries import PostgresBinaries, installed_binaries
from slotwise.demo.postgres_server import PostgresServer

MAJOR_VERSIONS = (15, 16, 18)

_T = TypeVar("_T")


def binaries_for(major_version: int) -> PostgresBinaries:
    """The server programs for ``major_version``; for 15 whatever Debian or Ubuntu has packaged, if that is not 15."""
    found = installed_binaries()
    exact = [one for one in found if one.major_version == major_version]
    packaged = [one for one in found if one.origin == "debian"] if major_version == 15 else []
    for one in (*exact, *packaged):
        return one
    raise AssertionError(f"no PostgreSQL {major_version} among {found}: run tools/setup.sh dev")


def create_odoo(server: PostgresServer, databases: Sequence[str] = ("prod",), role: str = "odoo") -> None:
    """An ordinary role as Odoo's (no superuser, may create databases) and databases that belong to it."""
    import psycopg
    from psycopg import sql

    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(sql.Identifier(role)))
        for name in databases:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(role))
            )


def alive(pid: int) -> bool:
    """Whether the process runs. A zombie does not: it only waits for whoever became its parent."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "\nState:\tZ" not in status


def until(condition: Callable[[], _T], *, within_seconds: float = 20.0) -> _T:
    """Ask ``condition`` until it answers something true, and return that. Raises AssertionError at the deadline."""
    deadline = time.monotonic() + within_seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {within_seconds} s"
        time.sleep(0.01)
