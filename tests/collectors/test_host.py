from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from msgspec import structs

from slotwise.collectors.host import look_at_host
from slotwise.collectors.host_evidence import HostEvidence
from slotwise.demo.postgres_server import PostgresServer
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.json_form import to_json
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo, OdooInstance
from slotwise.snapshot.ownership import Owner, Sessions
from slotwise.snapshot.postgres import Settings
from slotwise.snapshot.processes import Host, Memory, Process, Processes, ServerProcesses
from slotwise.snapshot.refusals import Refusals
from slotwise.snapshot.sessions import sessions
from tests.collectors.odoo_double import odoo_double
from tests.servers import create_odoo, until

StartPostgres = Callable[..., PostgresServer]


def write_conf(directory: Path, server: PostgresServer, **options: object) -> Path:
    path = directory / "odoo.conf"
    values = {
        "db_host": "127.0.0.1",
        "db_port": server.port,
        "db_user": "odoo",
        "db_password": "s3cret-in-conf",
        **options,
    }
    path.write_text("[options]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()))
    return path


def prepared(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        there = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'prod'").fetchone()
    if there is None:
        create_odoo(server)


def snapshot_of(host: HostEvidence, server: PostgresServer) -> Snapshot:
    """What doctor has when the server lets nobody in: titles, sockets and processes."""
    assert isinstance(host.server_processes, ServerProcesses)
    return Snapshot(
        taken_at=0.0,
        host="here",
        slotwise_version="test",
        titles=host.titles[server.pid],
        processes=host.processes,
        server_processes=structs.replace(host.server_processes, chosen=server.pid),
        sockets=host.sockets,
        odoo=host.odoo,
        settings=host.settings.get(server.pid, Unavailable("settings", "none", "none")),
    )


def owners(snapshot: Snapshot) -> dict[int, Owner]:
    seen = sessions(snapshot)
    assert isinstance(seen, Sessions)
    return {h.backend.pid: h.owner for h in seen.held}


def process(host: HostEvidence, pid: int) -> Process:
    assert isinstance(host.processes, Processes)
    found = host.processes.find(pid)
    assert found is not None
    return found


def processes_of(host: HostEvidence, server: PostgresServer) -> list[Process]:
    """The server's own process and its sessions'."""
    assert isinstance(host.processes, Processes) and isinstance(host.server_processes, ServerProcesses)
    (postmaster,) = (p for p in host.server_processes.postmasters if p.pid == server.pid)
    return [p for p in host.processes.processes if p.pid in {server.pid, *postmaster.children}]


def instance_with(host: HostEvidence, pid: int) -> OdooInstance:
    assert isinstance(host.odoo, Odoo), host.odoo
    return next(i for i in host.odoo.instances if pid in i.processes)


def test_a_prefork_host_is_seen_without_a_connection(postgres_server: PostgresServer, tmp_path: Path) -> None:
    prepared(postgres_server)
    conf = write_conf(tmp_path, postgres_server, workers=9, max_cron_threads=1, logfile=tmp_path / "odoo.log")
    (tmp_path / "odoo.log").write_text("2026-01-01 00:00:00,000 7 INFO prod odoo: hello\n")
    arguments = ["-c", str(conf), "--workers=2", "-d", "prod"]
    with odoo_double(tmp_path / "src", postgres_server.dsn("odoo"), arguments, workers=2, cron=1) as odoo:
        host = look_at_host()
        roles = Counter(process(host, pid).role for pid in odoo.pids)
        assert roles == {"master": 1, "http_worker": 2, "cron_worker": 1, "gevent": 1}
        held = {o.pid: o.role for o in owners(snapshot_of(host, postgres_server)).values() if o.pid in odoo.pids}
        assert Counter(held.values()) == {"http_worker": 2, "cron_worker": 1, "gevent": 1}
        instance = instance_with(host, odoo.pid)
        assert set(instance.processes) == set(odoo.pids)
        assert (instance.id, instance.version, instance.config_file) == (str(conf), "18.0", str(conf))
        assert instance.version_source == str(odoo.program.parent / "odoo/release.py")
        workers, cron = instance.option("workers"), instance.option("max_cron_threads")
        assert workers is not None and (workers.value, workers.source) == (2, f"command line of pid {odoo.pid}")
        assert cron is not None and (cron.value, cron.source) == (1, f"{conf}:7")
        client = next(c for c in host.clients if c.name == str(conf))
        assert (client.port, client.user, client.password) == (postgres_server.port, "odoo", "s3cret-in-conf")
        assert isinstance(host.refusals, Refusals) and str(tmp_path / "odoo.log") in host.refusals.looked_in
        assert isinstance(host.memory, Memory) and {m.pid for m in host.memory.processes} >= set(odoo.pids)
        assert b"s3cret-in-conf" not in to_json(snapshot_of(host, postgres_server))


def test_a_look_that_takes_over_sessions_sees_what_a_whole_one_sees(pg15: PostgresServer, tmp_path: Path) -> None:
    prepared(pg15)
    conf = write_conf(tmp_path, pg15)
    with (
        odoo_double(tmp_path / "src", pg15.dsn("odoo", "prod"), ["-c", str(conf)], workers=2, cron=1),
        psycopg.connect(pg15.dsn("odoo", "prod")) as stays,
    ):
        leaves = psycopg.connect(pg15.dsn("odoo", "prod"))
        before = look_at_host()
        gone, kept = leaves.info.backend_pid, stays.info.backend_pid
        assert before.earlier.sessions.keys() >= {gone, kept}
        leaves.close()
        until(lambda: not Path(f"/proc/{gone}").exists())
        with psycopg.connect(pg15.dsn("odoo", "prod")) as comes:
            later, whole = look_at_host(earlier=before.earlier), look_at_host()
            assert comes.info.backend_pid in {b.pid for b in later.titles[pg15.pid].backends}
        assert later.earlier.sessions[kept].facts is before.earlier.sessions[kept].facts
        assert later.earlier.settings[pg15.pid].settings is before.earlier.settings[pg15.pid].settings
        # Only this server's: others may run on the host, and change between two looks.
        assert later.titles[pg15.pid] == whole.titles[pg15.pid]
        assert processes_of(later, pg15) == processes_of(whole, pg15)
        assert owners(snapshot_of(later, pg15)) == owners(snapshot_of(whole, pg15))
        assert isinstance(before.memory, Memory) and isinstance(later.memory, Memory)
        assert {m.pid for m in later.memory.processes} & {gone} == set()
        assert set(later.memory.processes) & set(before.memory.processes)


def test_unix_sockets_are_joined_by_their_peers(pg15: PostgresServer, tmp_path: Path) -> None:
    prepared(pg15)
    conf = write_conf(tmp_path, pg15)
    dsn = pg15.dsn("odoo", over_socket=True)
    with odoo_double(tmp_path / "src", dsn, ["-c", str(conf)], workers=2, cron=1) as odoo:
        snapshot = snapshot_of(look_at_host(), pg15)
        assert isinstance(snapshot.titles, object)
        mine = {pid: o for pid, o in owners(snapshot).items() if o.pid in odoo.pids}
        assert Counter(o.role for o in mine.values()) == {"http_worker": 2, "cron_worker": 1, "gevent": 1}
        assert {o.how for o in mine.values()} == {"Unix-domain socket peer"}


def test_threaded_shell_and_strangers_are_told_apart(pg15: PostgresServer, tmp_path: Path) -> None:
    prepared(pg15)
    conf = write_conf(tmp_path, pg15, workers=0)
    stranger = tmp_path / "report.py"
    stranger.write_text(
        "import psycopg, sys, time\nc = psycopg.connect(sys.argv[1])\nprint('in', flush=True)\ntime.sleep(60)\n"
    )
    dsn = pg15.dsn("odoo", "prod")
    with (
        odoo_double(tmp_path / "src", dsn, ["-c", str(conf)]) as threaded,
        odoo_double(tmp_path / "src", dsn, ["shell", "-c", str(conf)]) as shell,
        subprocess.Popen([sys.executable, str(stranger), dsn], stdout=subprocess.PIPE, text=True) as foreign,
    ):
        try:
            assert foreign.stdout is not None and foreign.stdout.readline() == "in\n"
            host = look_at_host()
            assert process(host, threaded.pid).role == "threaded"
            assert process(host, shell.pid).role == "shell"
            assert process(host, shell.pid).instance == process(host, threaded.pid).instance == str(conf)
            assert (process(host, foreign.pid).role, process(host, foreign.pid).name) == ("unknown", "report.py")
            found = {o.pid: o for o in owners(snapshot_of(host, pg15)).values()}
            assert found[foreign.pid].certainty == "known" and found[foreign.pid].role == "unknown"
        finally:
            foreign.kill()


def test_the_running_server_and_the_next_start_differ(start_postgres: StartPostgres) -> None:
    server = start_postgres(15, {"max_connections": "17", "cluster_name": "erp east", "work_mem": "8MB"})
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET max_connections = 33")
        host = look_at_host()
    settings = host.settings[server.pid]
    assert isinstance(settings, Settings)
    limit = settings.need("max_connections")
    assert (limit.value, limit.next_start, limit.pending_restart) == ("17", "33", True)
    assert limit.read_from == "pg_controldata"
    assert settings.need("work_mem").value == "8192"
    assert settings.need("cluster_name").value == "erp east"
    assert settings.integer("server_version_num") == 150000
    assert settings.integer("superuser_reserved_connections") == 3
    assert settings.find("reserved_connections") is None
    titles = host.titles[server.pid]
    assert titles.states_current is True
    assert ("postgres", "postgres") in {(b.user, b.database) for b in titles.backends}


def test_sessions_that_have_not_logged_in_are_counted(start_postgres: StartPostgres) -> None:
    import socket

    server = start_postgres(15)
    with socket.create_connection(("127.0.0.1", server.port)):

        def waiting() -> int:
            here = look_at_host().surroundings.servers
            return next(s.unauthenticated for s in here if s.pid == server.pid)

        assert until(waiting) == 1


def test_the_machine_is_measured() -> None:
    machine = look_at_host().machine
    assert isinstance(machine, Host)
    assert machine.memory_bytes > 10**8 and 0 < machine.cores <= (os.cpu_count() or 1)


def test_a_named_file_that_is_missing_or_broken_is_the_operators_mistake(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no such file"):
        look_at_host(configs=[str(tmp_path / "none.conf")])
    broken = tmp_path / "odoo.conf"
    broken.write_text("[options]\nworkers = 4 ; four\n")
    with pytest.raises(OperatorError) as refused:
        look_at_host(configs=[str(broken)])
    assert f"{broken}:2" in refused.value.problem and "line of its own" in refused.value.remedy
    with pytest.raises(OperatorError, match=r"none\.log"):
        look_at_host(log_files=[str(tmp_path / "none.log")])


def test_several_named_files_are_several_instances(tmp_path: Path) -> None:
    names = [tmp_path / "a.conf", tmp_path / "b.conf"]
    for number, path in enumerate(names, 3):
        path.write_text(f"[options]\nworkers = {number}\n")
    odoo = look_at_host(configs=[str(n) for n in names]).odoo
    assert isinstance(odoo, Odoo)
    assert [(i.config_file, i.value("workers"), i.processes) for i in odoo.instances] == [
        (str(names[0]), 3, ()),
        (str(names[1]), 4, ()),
    ]
