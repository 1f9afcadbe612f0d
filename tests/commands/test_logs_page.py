"""Every command of docs/logs.md, run as it is written there, in a directory that holds an incident's logs."""

from __future__ import annotations

import gzip
import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "logs.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    for line in block.replace("\\\n", "").splitlines()
]
FULL = "FATAL:  sorry, too many clients already"
SERVER = "".join(f"2026-11-23 17:08:{at:02d}.944 UTC [{577 + at}] odoo@prod {FULL}\n" for at in range(5))
ODOO = "".join(
    f"2026-11-23 17:08:{at:02d},950 12 WARNING prod odoo.http: Database or registry unusable, trying without \n"
    f"Traceback (most recent call last):\npsycopg2.OperationalError: {FULL}\n"
    for at in range(5)
)
POOLER = "2026-11-23 17:08:03.270 UTC [982] WARNING C-0x1: prod/odoo@10.0.0.4:5000 pooler error: query_wait_timeout\n"
# What other programs would print; the page's pipes are what is tested.
OTHERS = {
    "journalctl": f"""echo '{{"SYSLOG_IDENTIFIER": "postgres", "_PID": "577", "MESSAGE": "{FULL}"}}'""",
    "docker": f"echo 'db-1  | 2026-11-23 17:08:02.944 UTC [577] odoo@prod {FULL}'",
    "kubectl": f"echo '2026-11-23T17:08:02.944123456Z 2026-11-23 17:08:02.944 UTC [577] odoo@prod {FULL}'",
}


@pytest.fixture
def incident(tmp_path: Path) -> Path:
    (tmp_path / "odoo.log").write_text(ODOO)
    (tmp_path / "postgresql.log").write_text(SERVER)
    (tmp_path / "pgbouncer.log").write_text(POOLER)
    (tmp_path / "odoo.log.2.gz").write_bytes(gzip.compress(ODOO.encode()))
    programs = tmp_path / "bin"
    programs.mkdir()
    python = f'exec {sys.executable} -m slotwise "$@"'
    jq = f'exec {sys.executable} -c \'import json, sys; print(json.load(sys.stdin)["incidents"][0]["cause"])\''
    for name, text in {"slotwise": python, "jq": jq, **OTHERS}.items():
        program = programs / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return tmp_path


@pytest.mark.parametrize("command", [command for command in COMMANDS if "--follow" not in command])
def test_it_names_the_wall(command: str, incident: Path) -> None:
    path = f"{incident / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=incident, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    page = incident / "incident.html"
    told = page.read_text() if page.exists() else done.stdout
    assert "slots-exhausted" in told if "jq" in command else "pg_max_connections" in told or "every slot" in told


def test_following_tells_what_is_written_meanwhile(incident: Path) -> None:
    (command,) = (command for command in COMMANDS if "--follow" in command)
    path = f"{incident / 'bin'}:{os.environ['PATH']}"
    following = subprocess.Popen(
        ["bash", "-c", command.replace("timeout 10 ", "exec ")],
        cwd=incident, env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    stopped = threading.Event()

    def write() -> None:
        while not stopped.wait(0.1):
            with (incident / "postgresql.log").open("a") as log:
                log.write(SERVER)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert following.stdout is not None
        assert "every slot taken" in following.stdout.readline()
    finally:
        stopped.set()
        writer.join()
        following.terminate()
        following.wait()
        following.stdout.close()
