"""What a stand-in's ``odoo-bin`` runs: reads its settings and becomes the process that its command line names.

The command line is Odoo's own, for those who look at it from outside; the settings come in the environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from slotwise.standin import messages
from slotwise.standin.connection import OperationalError, StatementError
from slotwise.standin.log import OdooLog
from slotwise.standin.master import Master, check_databases, listening_socket
from slotwise.standin.messages import StandinRole
from slotwise.standin.parent_death import die_with_parent
from slotwise.standin.pool import PoolFull
from slotwise.standin.process import StandinProcess, write_line
from slotwise.standin.runtime import Runtime
from slotwise.standin.settings import StandinSettings

SETTINGS_VARIABLE = "SLOTWISE_STANDIN"
"""Environment variable with the StandinSettings as JSON."""

_ORDERS_FD = 0
_REPORTS_FD = 1


def main(arguments: list[str]) -> None:
    """Run until standard input ends. ``arguments`` is ``sys.argv``."""
    settings = msgspec.json.decode(os.environ[SETTINGS_VARIABLE], type=StandinSettings)
    role = _role(arguments, settings)
    if role == "gevent":
        die_with_parent(os.getppid())
    log = OdooLog(Path(arguments[0]).with_name("odoo.log"))
    runtime = Runtime(settings, log, evented=role == "gevent")
    try:
        if role == "master":
            Master(runtime, arguments, _ORDERS_FD, _REPORTS_FD).run()
        else:
            _run_alone(runtime, role, arguments)
    except (OperationalError, PoolFull, StatementError) as error:
        write_line(_REPORTS_FD, messages.to_line(os.getpid(), messages.Failed(role, str(error))))
        sys.exit(1)


def _role(arguments: list[str], settings: StandinSettings) -> StandinRole:
    if "gevent" in arguments[1:2]:
        return "gevent"
    if "shell" in arguments[1:2]:
        return "shell"
    return "threaded" if settings.threaded else "master"


def _run_alone(runtime: Runtime, role: StandinRole, arguments: list[str]) -> None:
    """The gevent process, a threaded server or a shell: a program without children."""
    settings = runtime.settings
    process = StandinProcess(runtime, role, _ORDERS_FD, _REPORTS_FD)
    listener = None
    if role == "shell":
        process.hold_shell(arguments[arguments.index("-d") + 1])
    else:
        check_databases(runtime)
        if settings.http_enable:
            listener = listening_socket(settings.gevent_port if role == "gevent" else settings.http_port)
    if role == "threaded":
        for database in settings.db_name:
            runtime.registry(database)
        for _ in range(settings.max_cron_threads):
            process.listen("cron_trigger")
        if settings.queue_job:
            process.listen_for_queue_jobs(list(settings.db_name))
    try:
        process.run()
    except BrokenPipeError:
        pass
    finally:
        if listener is not None:
            listener.close()
