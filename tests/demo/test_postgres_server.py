"""Private servers: they run, also for root, and leave nothing however the program ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from slotwise.demo.postgres_binaries import PostgresBinaries
from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.errors import OperatorError
from tests.conftest import StartPostgres
from tests.servers import MAJOR_VERSIONS, alive, binaries_for, until

STARTS_ONE_AND_WAITS = """
import signal, sys
from slotwise.demo.postgres_server import PostgresServers
from tests.servers import binaries_for
with PostgresServers() as servers:
    server = servers.start(binaries_for(15))
    print(servers.directory, server.pid, flush=True)
    signal.pause()
"""


def shared_memory_segments() -> set[str]:
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {line.split()[1] for line in lines}


def one(server: PostgresServer, query: str, *, over_socket: bool = False) -> object:
    with psycopg.connect(server.dsn(over_socket=over_socket)) as connection:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]


def test_it_is_the_version_asked_for_over_tcp_and_over_the_socket(postgres_server: PostgresServer) -> None:
    for over_socket in (False, True):
        version = one(postgres_server, "SHOW server_version_num", over_socket=over_socket)
        assert int(str(version)) // 10000 == postgres_server.major_version
    assert postgres_server.major_version in MAJOR_VERSIONS or postgres_server.major_version > 12


def test_the_postmaster_is_the_process_named_and_not_root(pg15: PostgresServer) -> None:
    process = Path(f"/proc/{pg15.pid}")
    assert (process / "comm").read_text().strip() == "postgres"
    assert process.stat().st_uid != 0


def test_settings_hold_and_a_restart_keeps_the_port(start_postgres: StartPostgres) -> None:
    server = start_postgres(15, {"max_connections": "20", "cluster_name": "it's mine"})
    port, pid = server.port, server.pid
    assert one(server, "SHOW max_connections") == "20"
    assert one(server, "SHOW cluster_name") == "it's mine"
    server.restart({"max_connections": "21"})
    assert (server.port, one(server, "SHOW max_connections")) == (port, "21")
    assert server.pid != pid


def test_hba_lines_come_first(start_postgres: StartPostgres) -> None:
    server = start_postgres(15, hba=["host all nobody_at_all 127.0.0.1/32 reject"])
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        psycopg.connect(server.dsn(user="nobody_at_all"))


def test_a_bad_setting_is_an_operator_error_with_the_servers_words(start_postgres: StartPostgres) -> None:
    with pytest.raises(OperatorError, match="max_connections"):
        start_postgres(15, {"max_connections": "many"})


def test_after_stop_there_is_no_pid(start_postgres: StartPostgres) -> None:
    server = start_postgres(15)
    server.stop("fast")
    assert not server.running
    with pytest.raises(OperatorError):
        _ = server.pid


def test_a_halted_server_is_stopped_too(start_postgres: StartPostgres) -> None:
    server = start_postgres(15)
    os.kill(server.pid, signal.SIGSTOP)
    server.stop("immediate")
    assert not server.running


def test_killed_server_leaves_no_shared_memory(start_postgres: StartPostgres) -> None:
    server = start_postgres(15)
    segment = (server.data_dir / "postmaster.pid").read_text().splitlines()[6].split()[-1]
    assert segment in shared_memory_segments()
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    until(lambda: segment not in shared_memory_segments())


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_program_is_ended_by(end: signal.Signals) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", STARTS_ONE_AND_WAITS],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert program.stdout is not None
    directory, pid = program.stdout.readline().split()
    segment = next(Path(directory).glob("*/data/postmaster.pid")).read_text().splitlines()[6].split()[-1]
    program.send_signal(end)
    program.communicate(timeout=30)
    until(lambda: not Path(directory).exists())
    assert not alive(int(pid))
    assert segment not in shared_memory_segments()


def test_programs_behind_a_closed_door_run_too(postgres_servers: PostgresServers, tmp_path: Path) -> None:
    """A virtual environment below /root: the unprivileged user gets a copy of the programs, with their libraries."""
    original = binaries_for(18)
    assert original.libraries is not None
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = closed / original.origin
    shutil.copytree(original.bin_dir.parent, package / original.bin_dir.parent.name, symlinks=True)
    libraries = shutil.copytree(original.libraries, closed / original.libraries.name)
    behind = PostgresBinaries(18, package / original.bin_dir.parent.name / "bin", original.origin, libraries)
    umask = os.umask(0o077)
    try:
        server = postgres_servers.start(behind)
    finally:
        os.umask(umask)
    with server:
        assert str(one(server, "SHOW server_version_num")).startswith("18")


def test_binaries_of_every_version_are_installed() -> None:
    for version in MAJOR_VERSIONS:
        assert (binaries_for(version).bin_dir / "initdb").exists()
