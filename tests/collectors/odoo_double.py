"""A program that starts processes as Odoo does and opens its connections: for tests of what looks at processes.

Run as `python …/odoo-bin [gevent|shell] [options]`. It prints its pid when everything is open, then waits to be killed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.servers import until

PROGRAM = """#!/usr/bin/env python3
import json, os, signal, socket, subprocess, sys, threading, time
import psycopg
spec = json.loads(os.environ["DOUBLE"])
held = []
def hold(names):
    held.extend(psycopg.connect(spec["dsn"], dbname=name, application_name="odoo-%d" % os.getpid()) for name in names)
def ready():
    with open(spec["ready"], "a") as file:
        file.write("%d\\n" % os.getpid())
def wait():
    ready()
    while True:
        signal.pause()
if sys.argv[1:2] == ["gevent"]:
    hold(["postgres"])
    wait()
if sys.argv[1:2] == ["shell"]:
    hold(["prod"])
    wait()
listener = socket.create_server(("127.0.0.1", 0))
if not spec["workers"]:
    hold(["postgres", "prod"])
    wait()
parent = os.getpid()
for number in range(spec["workers"]):
    if not os.fork():
        hold(["prod"])
        wait()
for number in range(spec["cron"]):
    if not os.fork():
        listener.close()
        hold(["postgres"])
        wait()
subprocess.Popen([sys.executable, sys.argv[0], "gevent"] + sys.argv[1:])
wait()
"""


class Running:
    """A started double: its program and the pids that said they are ready."""

    def __init__(self, pid: int, pids: list[int], program: Path) -> None:
        self.pid = pid
        self.pids = pids
        self.program = program


@contextmanager
def odoo_double(
    directory: Path, dsn: str, arguments: list[str], *, workers: int = 0, cron: int = 0, version: str = "18, 0"
) -> Iterator[Running]:
    """Start the double in a source tree of its own and wait until every process has its connections."""
    import json

    directory.mkdir(parents=True, exist_ok=True)
    program = directory / "odoo-bin"
    program.write_text(PROGRAM)
    (directory / "odoo").mkdir(exist_ok=True)
    (directory / "odoo" / "release.py").write_text(f"version_info = ({version}, 0, 'final', 0, '')\n")
    marker = directory / f"ready-{socket.gethostname()}-{time.monotonic_ns()}"
    marker.write_text("")
    serves = not (arguments and arguments[0] == "shell")
    expected = 1 + (workers + cron + 1 if serves and workers else 0)
    environment = {
        **os.environ,
        "DOUBLE": json.dumps({"dsn": dsn, "workers": workers, "cron": cron, "ready": str(marker)}),
    }
    process = subprocess.Popen(
        [sys.executable, str(program), *arguments], env=environment, start_new_session=True, cwd=directory
    )
    try:
        pids = until(lambda: found if len(found := [int(n) for n in marker.read_text().split()]) == expected else None)
        yield Running(process.pid, pids, program)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
