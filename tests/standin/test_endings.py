"""However a stand-in host ends, no process of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slotwise.demo.postgres_server import PostgresServer
from slotwise.standin.flows import RequestOptions
from tests.conftest import StartStandin
from tests.servers import alive, odoo_sessions, until

STARTS_A_HOST_AND_WAITS = """
import sys, time
from pathlib import Path
from slotwise.standin.host import StandinHost
from slotwise.standin.settings import StandinSettings
port, home = sys.argv[1:]
with StandinHost(StandinSettings(db_port=int(port), db_name=("prod",)), Path(home)) as host:
    host.serve(4, "prod")
    print(*[one.pid for one in host.processes()], flush=True)
    time.sleep(600)
"""


def test_stop_ends_every_process_and_session(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port)
    host.begin(4, "prod")
    pids = [one.pid for one in host.processes()]
    host.stop()
    assert [pid for pid in pids if alive(pid)] == []
    until(lambda: not odoo_sessions(server))
    host.stop()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_master(server: PostgresServer, start_standin: StartStandin, end: signal.Signals) -> None:
    host = start_standin(db_port=server.port)
    pids = [one.pid for one in host.processes()]
    host.begin(1, "prod", options=RequestOptions(running="SELECT pg_sleep(600)"))
    os.kill(host.pid, end)
    until(lambda: not [pid for pid in pids if alive(pid)])


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_everything_ends_with_the_controller(server: PostgresServer, tmp_path: Path, end: signal.Signals) -> None:
    controller = subprocess.Popen(
        [sys.executable, "-c", STARTS_A_HOST_AND_WAITS, str(server.port), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert controller.stdout is not None
    pids = [int(pid) for pid in controller.stdout.readline().split()]
    assert len(pids) == 8
    controller.send_signal(end)
    controller.communicate(timeout=30)
    until(lambda: not [pid for pid in pids if alive(pid)])
