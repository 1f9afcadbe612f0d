"""Reads what pg_controldata prints: the values that a server runs with, readable while it refuses every connection.

The control file holds them for standbys, so they are the running ones and not those of the files
(src/bin/pg_controldata/pg_controldata.c; XLogReportParameters in src/backend/access/transam/xlog.c, 12 to 18).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from slotwise.collectors.pg_target import OsUser
from slotwise.snapshot.evidence import Unavailable

_SETTINGS = {
    "max_connections setting": "max_connections",
    "max_worker_processes setting": "max_worker_processes",
    "max_wal_senders setting": "max_wal_senders",
    "max_prepared_xacts setting": "max_prepared_transactions",
    "max_locks_per_xact setting": "max_locks_per_transaction",
    "wal_level setting": "wal_level",
}
SOURCE = "pg_controldata"
_TIMEOUT_SECONDS = 2.0


def parse_control_data(text: str) -> dict[str, str]:
    """The running parameters by name, from pg_controldata's output in English (LC_ALL=C)."""
    pairs = (line.partition(":") for line in text.splitlines())
    shown = {name.strip(): value.strip() for name, _, value in pairs}
    return {_SETTINGS[name]: value for name, value in shown.items() if name in _SETTINGS}


def collect_control_data(program: Path, data_directory: Path, owner: OsUser | None) -> dict[str, str] | Unavailable:
    """The running parameters of the server in ``data_directory``, by the pg_controldata of its own version.

    The program lies beside the executable of a process that anybody may have started under the name of postgres. So it
    never runs with more rights than that process has: root becomes ``owner``, the OS user of the server; anybody else
    runs only what root or they themselves have put there.
    """
    remedy = "run slotwise as root, or as the operating-system user of PostgreSQL"
    if not program.is_file():
        return Unavailable(SOURCE, f"{program} is not there", "install the server's own programs on this host")
    root = os.geteuid() == 0
    if root and owner is None:
        return Unavailable(SOURCE, "the server's OS user is not known on this host", "run slotwise as that user")
    if not root and program.stat().st_uid not in (0, os.geteuid()):
        return Unavailable(SOURCE, f"{program} belongs to another user, so it is not run", remedy)
    try:
        done = subprocess.run(
            [os.fspath(program), "-D", os.fspath(data_directory)],
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            cwd="/",
            user=owner.uid if root and owner is not None else None,
            group=owner.gid if root and owner is not None else None,
            extra_groups=[] if root else None,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Unavailable(SOURCE, f"it cannot be run ({type(error).__name__})", remedy)
    found = parse_control_data(done.stdout.decode("utf-8", "replace"))
    if done.returncode != 0 or "max_connections" not in found:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return Unavailable(SOURCE, words[-1] if words else f"exit code {done.returncode}", remedy)
    return found
