"""A private PgBouncer: the real program, in a private directory, on a free port of loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from slotwise.demo.postgres_server import free_port, identity, server_os_user
from slotwise.demo.private_directory import open_up
from slotwise.errors import OperatorError

_START_DEADLINE_SECONDS = 20.0
_STOP_DEADLINE_SECONDS = 10.0
_POLL_SECONDS = 0.005
_PORT_ATTEMPTS = 5

# Debian puts the program into /usr/sbin, which an ordinary user's PATH lacks.
_SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


def installed_program() -> str:
    """The path of the installed PgBouncer. Raises OperatorError when there is none."""
    program = shutil.which("pgbouncer", path=_SEARCH_PATH)
    if program is None:
        raise OperatorError("PgBouncer is not installed", "apt install pgbouncer")
    return program


class PgBouncerServer:
    """One running PgBouncer. A context manager; at its end the process and its files are gone.

    ``directory`` must be open to all users and be a PrivateDirectory's path: then it is removed in any case.
    ``databases`` are the lines of ``[databases]``, ``settings`` those of ``[pgbouncer]``; ``users`` may connect without
    a password, and ``postgres`` is the administrator of its console. ``program`` is the one to run, None: the one that
    is installed.

    Raises OperatorError when PgBouncer is not installed or does not start.
    """

    def __init__(
        self,
        directory: Path,
        databases: Mapping[str, str],
        settings: Mapping[str, str] | None = None,
        *,
        users: tuple[str, ...] = ("postgres", "odoo"),
        program: Path | None = None,
    ) -> None:
        self._program = str(program) if program is not None else installed_program()
        self._os_user = server_os_user()
        self._databases = dict(databases)
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.socket_dir = directory / f"pgbouncer-{self.port}"
        self.ini_file = self.socket_dir / "pgbouncer.ini"
        self.log_file = self.socket_dir / "log"
        self.socket_dir.mkdir()
        (self.socket_dir / "userlist.txt").write_text("".join(f'"{user}" ""\n' for user in users))
        if self._os_user is not None:
            os.chown(self.socket_dir, self._os_user.pw_uid, self._os_user.pw_gid)

    def __enter__(self) -> PgBouncerServer:
        if self._process is None:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.socket_dir, ignore_errors=True)

    @property
    def pid(self) -> int:
        """Its process id. Raises OperatorError when it is not running."""
        if self._process is None or self._process.poll() is not None:
            raise OperatorError("the private PgBouncer is not running", "start it first")
        return self._process.pid

    def dsn(self, user: str = "odoo", dbname: str = "pgbouncer", *, over_socket: bool = False) -> str:
        """A libpq connection string; the database ``pgbouncer`` is its console (user ``postgres``)."""
        host = str(self.socket_dir) if over_socket else "127.0.0.1"
        return f"host={host} port={self.port} user={user} dbname={dbname}"

    def start(self) -> None:
        """Start it and wait until it accepts connections. Raises OperatorError with the end of its log otherwise."""
        for attempt in range(_PORT_ATTEMPTS):
            if attempt:
                self.port = free_port()
            self._write_ini()
            if self._spawn_and_wait():
                return
            if "in use" not in self.log_file.read_text():
                break
        self.stop()
        said = " / ".join(self.log_file.read_text().splitlines()[-3:])
        raise OperatorError(f"the private PgBouncer did not start: {said}", "see its message")

    def reload(self, databases: Mapping[str, str] | None = None, settings: Mapping[str, str] | None = None) -> None:
        """Write the changed configuration and have it read again (RELOAD), waiting for PgBouncer's answer."""
        import psycopg

        self._databases.update(databases or {})
        self._settings.update(settings or {})
        self._write_ini()
        # The console speaks the simple protocol only, and does not know BEGIN.
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as console:
            console.pgconn.exec_(b"RELOAD")

    def stop(self) -> None:
        """End it at once and wait. Does nothing when it is not running."""
        if self._process is None:
            return
        # SIGTERM waits for clients in 1.23 and newer, SIGINT in all; nothing here needs to be ended gently.
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(_STOP_DEADLINE_SECONDS)
        self._process = None

    def _write_ini(self) -> None:
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": str(self.socket_dir),
            "pidfile": str(self.socket_dir / "pgbouncer.pid"),
            "auth_type": "trust",
            "auth_file": str(self.socket_dir / "userlist.txt"),
            "admin_users": "postgres",
            **self._settings,
        }
        sections = {"databases": self._databases, "pgbouncer": settings}
        lines: list[str] = []
        for name, entries in sections.items():
            lines += [f"[{name}]", *(f"{key} = {value}" for key, value in entries.items()), ""]
        self.ini_file.write_text("\n".join(lines))
        open_up(self.socket_dir)

    def _spawn_and_wait(self) -> bool:
        (self.socket_dir / "pgbouncer.pid").unlink(missing_ok=True)
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, str(self.ini_file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **identity(self._os_user),
            )
        deadline = time.monotonic() + _START_DEADLINE_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0 and self._process.poll() is None:
                    return True
            time.sleep(_POLL_SECONDS)
        return False
