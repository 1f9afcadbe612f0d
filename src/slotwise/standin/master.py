"""The master of a prefork host: loads registries, forks the workers, starts the gevent process, replaces what dies.

Like Odoo's ``PreforkServer`` (odoo/service/server.py), with one difference: it also passes orders on. When its standard
input ends, or when it is killed, everything under it ends.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress

from slotwise.standin import messages, statements
from slotwise.standin.connection import OperationalError, StatementError
from slotwise.standin.flows import list_databases
from slotwise.standin.messages import StandinRole
from slotwise.standin.parent_death import die_with_parent
from slotwise.standin.pool import PoolFull
from slotwise.standin.process import Lines, StandinProcess, write_line
from slotwise.standin.runtime import Runtime

# Odoo replaces a worker that cannot start at once, for as long as that lasts; a breath keeps the machine usable.
_RESPAWN_SECONDS = 0.2
_STOP_SECONDS = 5.0


class _Child:
    """A child, and the pipes to it and from it."""

    def __init__(self, role: StandinRole, orders_fd: int, reports_fd: int) -> None:
        self.role: StandinRole = role
        self.orders_fd = orders_fd
        self.reports = Lines(reports_fd)

    def close(self) -> None:
        """Close this side of its pipes."""
        os.close(self.orders_fd)
        os.close(self.reports.fd)


class Master:
    """Runs until standard input ends or a signal asks it to stop. ``arguments`` is its own command line."""

    def __init__(self, runtime: Runtime, arguments: list[str], orders_fd: int, reports_fd: int) -> None:
        self._runtime = runtime
        self._settings = runtime.settings
        self._arguments = arguments
        self._orders = Lines(orders_fd)
        self._reports_fd = reports_fd
        self._children: dict[int, _Child] = {}
        self._socket: socket.socket | None = None
        self._wakeup_fd, self._wakeup_write_fd = os.pipe()
        self._stopping = False
        self._last_death = float("-inf")

    def run(self) -> None:
        """Start everything and serve."""
        os.set_blocking(self._wakeup_write_fd, False)
        signal.set_wakeup_fd(self._wakeup_write_fd, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask_to_stop)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        try:
            check_databases(self._runtime)
            if self._settings.http_enable:
                self._socket = listening_socket(self._settings.http_port)
            for database in self._settings.db_name:
                self._runtime.registry(database)
            # Odoo empties the pool, so that no two processes share a connection after the fork.
            self._runtime.close_all()
            self._report(os.getpid(), messages.Alive("master"))
            self._loop()
        finally:
            self._stop()

    def _loop(self) -> None:
        while not self._stopping:
            self._reap()
            missing = self._spawn_missing()
            watched = {child.reports.fd: pid for pid, child in self._children.items()}
            ready, _, _ = select.select(
                [self._orders.fd, self._wakeup_fd, *watched], [], [], _RESPAWN_SECONDS if missing else None
            )
            for fd in ready:
                if fd == self._wakeup_fd:
                    os.read(fd, 4096)
                elif fd == self._orders.fd:
                    self._pass_orders_on()
                else:
                    self._pass_reports_on(watched[fd])

    def _ask_to_stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _report(self, pid: int, report: messages.Report) -> None:
        self._pass_report_on(messages.to_line(pid, report))

    def _pass_report_on(self, line: bytes) -> None:
        try:
            write_line(self._reports_fd, line)
        except BrokenPipeError:
            self._stopping = True

    def _pass_orders_on(self) -> None:
        lines = self._orders.read()
        if lines is None:
            self._stopping = True
            return
        for line in lines:
            child = self._children.get(messages.split_line(line)[0])
            # A child that has just died gets no order; the controller learns that from Gone.
            if child is not None:
                with suppress(BrokenPipeError):
                    write_line(child.orders_fd, line)

    def _pass_reports_on(self, pid: int) -> None:
        try:
            lines = self._children[pid].reports.read()
        except KeyError:
            return
        for line in lines or ():
            self._pass_report_on(line)

    def _reap(self) -> None:
        for pid, child in list(self._children.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                # What it said last is still in the pipe.
                while (lines := child.reports.read()) is not None:
                    for line in lines:
                        self._pass_report_on(line)
                child.close()
                del self._children[pid]
                self._last_death = time.monotonic()
                self._report(pid, messages.Gone(status))

    def _spawn_missing(self) -> bool:
        """Start what is missing; True when that has to wait a moment."""
        wanted: dict[StandinRole, int] = {
            "http_worker": self._settings.workers if self._settings.http_enable else 0,
            "gevent": int(self._settings.http_enable),
            "cron_worker": self._settings.max_cron_threads,
            "queue_job": int(self._settings.queue_job),
        }
        missing: list[StandinRole] = []
        for role, count in wanted.items():
            present = sum(child.role == role for child in self._children.values())
            missing += [role] * (count - present)
        if not missing:
            return False
        if time.monotonic() - self._last_death < _RESPAWN_SECONDS:
            return True
        if self._runtime.version >= 19:
            self._check_registries()
        for role in missing:
            if role == "gevent":
                self._start_gevent()
            else:
                self._fork(role)
        return False

    def _check_registries(self) -> None:
        """19 only: before it replaces workers, the master itself looks at each registry (service/server.py 975-999)."""
        for registry in self._runtime.registries.values():
            with registry.cursor() as cursor:
                cursor.execute("SELECT 1 /* signaling */")
        self._runtime.close_all()

    def _fork(self, role: StandinRole) -> None:
        orders_fd, orders_write_fd = os.pipe()
        reports_fd, reports_write_fd = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(orders_write_fd)
                os.close(reports_fd)
                self._become_child(parent)
                status = run_worker(self._runtime, role, self._socket, orders_fd, reports_write_fd)
            finally:
                # Never back into the master's code, whatever happened.
                os._exit(status)
        os.close(orders_fd)
        os.close(reports_write_fd)
        self._children[pid] = _Child(role, orders_write_fd, reports_fd)

    def _become_child(self, parent: int) -> None:
        """Let go of everything that is the master's: a pipe kept open here would hide its end from a sibling."""
        die_with_parent(parent)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for child in self._children.values():
            child.close()
        os.close(self._wakeup_fd)
        os.close(self._wakeup_write_fd)
        # Not closed but replaced: a socket to the server must never become somebody's standard output.
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, self._orders.fd)
        os.dup2(nowhere, self._reports_fd)
        os.close(nowhere)

    def _start_gevent(self) -> None:
        """A program of its own, started afresh: it inherits no registry and no socket (18.0:749-751)."""
        python, odoo_bin, *options = [sys.executable, *self._arguments]
        process = subprocess.Popen(
            [python, odoo_bin, "gevent", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=True
        )
        assert process.stdin is not None and process.stdout is not None
        orders_fd, reports_fd = os.dup(process.stdin.fileno()), os.dup(process.stdout.fileno())
        process.stdin.close()
        process.stdout.close()
        # It is reaped with the others; without this, Popen would complain that it is still running.
        process.returncode = 0
        self._children[process.pid] = _Child("gevent", orders_fd, reports_fd)

    def _stop(self) -> None:
        if self._socket is not None:
            self._socket.close()
        deadline = time.monotonic() + _STOP_SECONDS
        for pid in self._children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        for pid, child in self._children.items():
            while os.waitpid(pid, os.WNOHANG)[0] == 0:
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.002)
            child.close()
        self._children.clear()


def run_worker(
    runtime: Runtime, role: StandinRole, http_socket: socket.socket | None, orders_fd: int, reports_fd: int
) -> int:
    """The life of a forked worker; its exit status."""
    if role == "cron_worker" and http_socket is not None:
        http_socket.close()
    process = StandinProcess(runtime, role, orders_fd, reports_fd)
    try:
        if role == "cron_worker":
            process.listen("cron_trigger")
        if role == "queue_job":
            process.listen_for_queue_jobs(list_databases(runtime))
    except (OperationalError, PoolFull, StatementError) as error:
        runtime.log.line(
            "ERROR", None, "odoo.service.server", f"Worker ({os.getpid()}) Exception occurred, exiting... \n{error}\n"
        )
        process.report(messages.Failed(role, str(error)))
        return 1
    runtime.log.line("INFO", None, "odoo.service.server", f"Worker {role} ({os.getpid()}) alive")
    try:
        process.run()
    except BrokenPipeError:
        return 0
    except OperationalError as error:
        runtime.log.line(
            "ERROR",
            None,
            "odoo.service.server",
            f"Worker WorkerCron ({os.getpid()}) Exception occurred, exiting... \n{error}\n",
        )
        return 1
    return 0


def check_databases(runtime: Runtime) -> None:
    """At the start of each server process: a short session on ``postgres`` for each name in ``db_name``.

    Raises OperationalError when the server refuses; Odoo's process dies of it too.
    """
    for database in runtime.settings.db_name:
        with closing(runtime.cursor("postgres")) as cursor:
            cursor.execute(statements.CHECK_DATABASE.format(database=database))


def listening_socket(port: int) -> socket.socket:
    """The socket that HTTP workers inherit. Raises OSError when the port is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(8)
    return listener
