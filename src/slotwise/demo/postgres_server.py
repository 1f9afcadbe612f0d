"""Private PostgreSQL servers: real ones, in a temporary directory, on loopback, gone without a trace afterwards.

They work for root too. PostgreSQL refuses to run as root, so its programs then run as an existing unprivileged user;
no user is ever added to the system.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, TypedDict

from slotwise.demo.postgres_binaries import PostgresBinaries
from slotwise.demo.private_directory import PrivateDirectory, copy_tree, open_to_all, open_up
from slotwise.errors import OperatorError

StopMode = Literal["smart", "fast", "immediate"]

# pg_ctl's modes and the signals behind them (PostgreSQL documentation, "Shutting Down the Server").
_STOP_SIGNALS: dict[StopMode, str] = {"smart": "SIGTERM", "fast": "SIGINT", "immediate": "SIGQUIT"}

_START_DEADLINE_SECONDS = 30.0
_STOP_DEADLINE_SECONDS = 20.0
_POLL_SECONDS = 0.005
_PORT_ATTEMPTS = 5
_UNPRIVILEGED_USERS = ("nobody", "postgres", "daemon")

# Nothing here outlives the process, so durability is bought off. Dynamic shared memory goes into the data directory
# ("mmap") and not to /dev/shm: a killed server would leave it there.
_QUICK_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "dynamic_shared_memory_type": "mmap",
    "listen_addresses": "127.0.0.1",
}


class PostgresServers:
    """Starts servers; owns their directory, and the programs where the unprivileged user cannot read the originals.

    The first server of a version runs initdb, the others copy its result. A context manager: at its end every server
    is stopped and every file removed, also when the program is killed.
    """

    def __init__(self) -> None:
        self._directory = PrivateDirectory()
        self._os_user = server_os_user()
        self._bin_dirs: dict[Path, Path] = {}
        self._templates: dict[Path, Path] = {}
        self._servers: list[PostgresServer] = []
        self._count = 0

    def __enter__(self) -> PostgresServers:
        self._directory.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for server in self._servers:
                server.stop("immediate")
        finally:
            self._directory.close()

    @property
    def directory(self) -> Path:
        """The private directory, open to all users; a place for files that must vanish with the servers."""
        return self._directory.path

    def start(
        self,
        binaries: PostgresBinaries,
        settings: Mapping[str, str] | None = None,
        *,
        hba: Sequence[str] = (),
    ) -> PostgresServer:
        """A running server that accepts connections; superuser ``postgres``, authentication ``trust``.

        ``settings`` go to the end of postgresql.conf; ``hba`` lines go to the top of pg_hba.conf.
        Raises OperatorError when it does not start: with the last lines of its log.
        """
        self._count += 1
        home = self._own_directory(f"pg{binaries.major_version}-{self._count}")
        bin_dir = self._readable_bin_dir(binaries)
        # cp keeps the owner and is quicker than shutil.copytree; data_dir does not exist yet.
        subprocess.run(["cp", "-a", str(self._template(binaries, bin_dir)), str(home / "data")], check=True)
        server = PostgresServer(binaries.major_version, bin_dir, home, self._os_user, settings or {}, hba)
        self._servers.append(server)
        server.start()
        return server

    def _own_directory(self, name: str) -> Path:
        path = self._directory.path / name
        path.mkdir()
        if self._os_user is not None:
            os.chown(path, self._os_user.pw_uid, self._os_user.pw_gid)
        return path

    def _readable_bin_dir(self, binaries: PostgresBinaries) -> Path:
        """The programs' directory, or a copy of them if they lie behind a door that is closed to the server's user."""
        if self._os_user is None or open_to_all(binaries.bin_dir):
            return binaries.bin_dir
        if binaries.bin_dir not in self._bin_dirs:
            prefix = binaries.bin_dir.parent
            # The programs of a wheel find their libraries by $ORIGIN/../../../<package>.libs, so the depth is kept.
            programs = self._directory.path / f"programs-{len(self._bin_dirs)}"
            copy = programs / prefix.parent.name / prefix.name
            copy_tree(prefix, copy)
            if binaries.libraries is not None:
                copy_tree(binaries.libraries, programs / binaries.libraries.name)
            open_up(programs)
            self._bin_dirs[binaries.bin_dir] = copy / "bin"
        return self._bin_dirs[binaries.bin_dir]

    def _template(self, binaries: PostgresBinaries, bin_dir: Path) -> Path:
        """A data directory fresh from initdb, made once for each set of programs."""
        if binaries.bin_dir not in self._templates:
            template = self._own_directory(f"template-{len(self._templates)}") / "fresh"
            # A WAL segment of 1 MB instead of 16 makes the copies small.
            options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--wal-segsize=1"]
            done = _run_as(self._os_user, [str(bin_dir / "initdb"), "-D", str(template), "--no-instructions", *options])
            if done.returncode != 0:
                last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
                raise OperatorError(
                    f"{binaries.bin_dir / 'initdb'} failed: {' '.join(last)}",
                    "check free space and rights of the temporary directory (TMPDIR)",
                )
            self._templates[binaries.bin_dir] = template
        return self._templates[binaries.bin_dir]


class PostgresServer:
    """One private server. Made by PostgresServers.start; leave its ``with`` block to stop it and remove its files."""

    def __init__(
        self,
        major_version: int,
        bin_dir: Path,
        home: Path,
        os_user: pwd.struct_passwd | None,
        settings: Mapping[str, str],
        hba: Sequence[str],
    ) -> None:
        self.major_version = major_version
        self.bin_dir = bin_dir
        self.data_dir = home / "data"
        self.log_file = home / "log"
        self.socket_dir = home / "s"
        self.port = 0
        """TCP port on 127.0.0.1, and the number in the name of the Unix-domain socket."""
        self._home = home
        self._os_user = os_user
        self._process: subprocess.Popen[bytes] | None = None
        self.socket_dir.mkdir()
        if os_user is not None:
            os.chown(self.socket_dir, os_user.pw_uid, os_user.pw_gid)
        self._write_settings(settings)
        hba_file = self.data_dir / "pg_hba.conf"
        hba_file.write_text("".join(f"{line}\n" for line in hba) + hba_file.read_text())

    def __enter__(self) -> PostgresServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop("immediate")
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The postmaster's process id. Raises OperatorError when it is not running."""
        if self._process is None or self._process.poll() is not None:
            raise OperatorError("the private PostgreSQL is not running", "start it first")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the postmaster lives."""
        return self._process is not None and self._process.poll() is None

    def dsn(self, user: str = "postgres", dbname: str = "postgres", *, over_socket: bool = False) -> str:
        """A libpq connection string: over TCP, or over the Unix-domain socket."""
        host = str(self.socket_dir) if over_socket else "127.0.0.1"
        return f"host={host} port={self.port} user={user} dbname={dbname}"

    def log_text(self) -> str:
        """Everything the server has logged so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    def start(self) -> None:
        """Start and wait until connections are accepted. A port taken in the meantime is replaced by another one.

        Raises OperatorError with the end of the log when the server ends instead.
        """
        for attempt in range(_PORT_ATTEMPTS):
            if self.port == 0 or attempt:
                self.port = free_port()
            before = len(self.log_text())
            self._spawn()
            if self._wait_until_ready():
                return
            said = self.log_text()[before:]
            if "Address already in use" not in said:
                break
        self.stop("immediate")
        raise OperatorError(
            f"the private PostgreSQL {self.major_version} did not start: {' / '.join(said.splitlines()[-4:])}",
            "see the message; `free -m` and `df` show whether memory or disk ran out",
        )

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop it and wait for its end; does nothing when it is not running. After a deadline it is ended by force."""
        if self._process is None:
            return
        for name in (_STOP_SIGNALS[mode], "SIGQUIT", "SIGKILL"):
            if self._process.poll() is not None:
                break
            # SIGCONT too: a server that a test has halted would never see the other one.
            self._process.send_signal(signal.Signals[name])
            self._process.send_signal(signal.SIGCONT)
            try:
                self._process.wait(_STOP_DEADLINE_SECONDS)
            except subprocess.TimeoutExpired:
                continue
        self._process = None
        self._remove_segment()

    def restart(self, settings: Mapping[str, str] | None = None) -> None:
        """Stop (fast) and start again on the same port, with more ``settings`` if given."""
        self.stop("fast")
        if settings:
            self._write_settings(settings)
        self.start()

    def _write_settings(self, settings: Mapping[str, str]) -> None:
        conf = self.data_dir / "postgresql.conf"
        first = {**_QUICK_SETTINGS, "unix_socket_directories": str(self.socket_dir)} if self.port == 0 else {}
        lines = [f"{name} = '{_quoted(value)}'\n" for name, value in {**first, **settings}.items()]
        with conf.open("a", encoding="utf-8") as file:
            file.writelines(lines)

    def _spawn(self) -> None:
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.bin_dir / "postgres"), "-D", str(self.data_dir), "-p", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **identity(self._os_user),
            )

    def _wait_until_ready(self) -> bool:
        """Whether it got ready. Line 8 of postmaster.pid says so (PostgreSQL's src/include/utils/pidfile.h)."""
        assert self._process is not None
        pid_file = self.data_dir / "postmaster.pid"
        deadline = time.monotonic() + _START_DEADLINE_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                lines = pid_file.read_text().splitlines()
            except FileNotFoundError:
                lines = []
            if len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready":
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def _remove_segment(self) -> None:
        """Remove the SysV shared memory segment that a postmaster killed with SIGKILL has left behind."""
        pid_file = self.data_dir / "postmaster.pid"
        if not pid_file.exists():
            return
        fields = pid_file.read_text().splitlines()[6:7]
        segment = fields[0].split()[-1:] if fields else []
        if segment:
            subprocess.run(["ipcrm", "-m", segment[0]], check=False, stderr=subprocess.DEVNULL)


def _quoted(value: str) -> str:
    """A value between single quotes of postgresql.conf."""
    return value.replace("'", "''")


def server_os_user() -> pwd.struct_passwd | None:
    """Whom the servers run as if this program runs as root, else None: PostgreSQL and PgBouncer refuse to run as root.

    An existing user of the password database (initdb needs it there). Raises OperatorError when there is none.
    """
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED_USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise OperatorError(
        f"PostgreSQL does not run as root and none of the users {', '.join(_UNPRIVILEGED_USERS)} exists",
        "run this as an ordinary user",
    )


class Identity(TypedDict, total=False):
    """As whom and where subprocess runs a server's program."""

    env: dict[str, str]
    cwd: str
    user: int
    group: int
    extra_groups: list[int]


def identity(user: pwd.struct_passwd | None) -> Identity:
    """Keyword arguments for subprocess: run as ``user`` (None: as oneself) with a clean environment."""
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}
    if user is None:
        return {"env": environment, "cwd": "/"}
    return {"env": environment, "cwd": "/", "user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _run_as(user: pwd.struct_passwd | None, command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **identity(user))


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
