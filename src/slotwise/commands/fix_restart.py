"""Restarts, only where the operator said --restart: PostgreSQL (PgBouncer held meanwhile) and Odoo's services."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from slotwise.apply.servers import Servers
from slotwise.commands.fix_ground import on_the_way
from slotwise.commands.fix_units import unit_of
from slotwise.errors import OperatorError
from slotwise.fixes.pooler import UNIT
from slotwise.fixes.remedy import FixPlan, WriteFile
from slotwise.fixes.systemd import path_of
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.processes import Postmaster, ServerProcesses

_RESTART_SECONDS = 300
_PAUSE_SECONDS = 20.0
"""How long clients are held while their neighbours' transactions end: less than PgBouncer's query_wait_timeout."""


class Restart(Struct, frozen=True):
    """One restart: what, what it stops, and how it is done."""

    what: str
    stops: str
    run: Callable[[Servers], None]


def restarts(plan: FixPlan, snapshot: Snapshot) -> tuple[Restart, ...]:
    """The restarts that the plan's changes need, as far as they can be done from here.

    Raises OperatorError where --restart was given and nobody here can restart what must be restarted.
    """
    found: list[Restart] = []
    if any(r.activation == "restart" and r.target.startswith("PostgreSQL ") and r.steps for r in plan.remedies):
        found.append(_postgres(snapshot))
    files = {s.path for s in plan.steps if isinstance(s, WriteFile)}
    if path_of(UNIT) in files:
        found.append(Restart(f"PgBouncer {UNIT}", "every client's connection through it", _systemctl(UNIT)))
    if isinstance(snapshot.odoo, Odoo):
        for instance in snapshot.odoo.instances:
            unit = next(filter(None, (unit_of(pid) for pid in instance.processes)), None)
            if instance.config_file not in files and (unit is None or path_of(unit) not in files):
                continue
            if unit is None:
                raise OperatorError(
                    f"Odoo {instance.id} is no service of systemd here",
                    "leave --restart out and restart it yourself",
                )
            stops = f"every running request and scheduled action of {instance.id}"
            found.append(Restart(f"Odoo {unit}", stops, _systemctl(unit)))
    return tuple(found)


def _postgres(snapshot: Snapshot) -> Restart:
    here = snapshot.server_processes
    server = None
    if isinstance(here, ServerProcesses):
        server = next((p for p in here.postmasters if p.pid == here.chosen), None)
    if server is None:
        raise OperatorError("PostgreSQL does not run on this host", "leave --restart out and restart it there")
    pooler = on_the_way(snapshot)
    address = pooler.address if pooler is not None else None
    stops = "every session of PostgreSQL"
    if address is not None:
        stops += (
            f"; PgBouncer {address} holds the clients of shared pools meanwhile (PAUSE): they wait instead of failing;"
            " sessions in session mode, such as Odoo's on database postgres, end and are opened again"
        )
    unit = unit_of(server.pid)
    again = _systemctl(unit) if unit is not None else _pg_ctl(server)

    def run(servers: Servers) -> None:
        if address is None:
            again(servers)
            return
        held = servers.pause(address, _PAUSE_SECONDS)
        try:
            again(servers)
        finally:
            servers.resume(address, held)

    return Restart(f"PostgreSQL {unit or server.data_directory}", stops, run)


def _systemctl(unit: str) -> Callable[[Servers], None]:
    def run(servers: Servers) -> None:
        # A drop-in that was written or taken away counts only after the units were read again.
        _run(["systemctl", "daemon-reload"], {})
        _run(["systemctl", "restart", unit], {})

    return run


def _pg_ctl(server: Postmaster) -> Callable[[Servers], None]:
    """With the options of the running server (postmaster.opts), as its own OS user."""

    def run(servers: Servers) -> None:
        program = Path(f"/proc/{server.pid}/exe").resolve().with_name("pg_ctl")
        owner = Path(f"/proc/{server.pid}").stat()
        user = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        log = f"{server.data_directory}/slotwise-restart.log"
        command = [str(program), "-D", str(server.data_directory), "-m", "fast", "-w", "-l", log, "restart"]
        _run(command, user)

    return run


def _run(command: list[str], identity: dict[str, object]) -> None:
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            command, capture_output=True, text=True, timeout=_RESTART_SECONDS, check=False, cwd="/", **identity
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OperatorError(f"{' '.join(command)}: {error}", "see its log") from error
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise OperatorError(f"{' '.join(command)} failed: {' '.join(last)}", "see its log")
