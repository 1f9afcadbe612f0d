"""--restart on a real server behind a real PgBouncer: the new value runs, and a client that waits is served."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import psycopg
import pytest
from msgspec import structs

from slotwise.apply.hand import Hand
from slotwise.apply.journal import Journals
from slotwise.apply.servers import Servers, Way
from slotwise.collectors.runner import Request, collect
from slotwise.commands import fix_restart
from slotwise.commands.fix_restart import restarts
from slotwise.demo.postgres_server import PostgresServer, identity, server_os_user
from slotwise.errors import OperatorError
from slotwise.fixes.remedy import FixPlan, Remedy, RunSql, WriteFile
from slotwise.snapshot.odoo import Odoo, OdooInstance
from tests import build
from tests.conftest import StartPgBouncer, StartPostgres, StartStandin
from tests.servers import create_odoo

PROBE = (
    "SELECT setting FROM pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf' AND name = 'max_connections'"
)


def plan(*remedies: Remedy) -> FixPlan:
    return FixPlan(remedies=remedies)


def end(server: PostgresServer) -> None:
    """pg_ctl has started a server that is nobody's child."""
    command = [str(server.bin_dir / "pg_ctl"), "-D", str(server.data_dir), "-m", "immediate", "-w", "stop"]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, **identity(server_os_user()))


@pytest.mark.parametrize("newest", [False, True], ids=["installed", "newest"])
def test_clients_of_pgbouncer_wait_meanwhile(
    start_postgres: StartPostgres,
    start_pgbouncer: StartPgBouncer,
    start_standin: StartStandin,
    tmp_path: Path,
    newest: bool,
    newest_program: Path,
) -> None:
    """A session that LISTENs on postgres, in session mode, would keep a PAUSE of everything waiting for ever."""
    server = start_postgres(16)
    create_odoo(server)
    behind = f"host=127.0.0.1 port={server.port}"
    program = newest_program if newest else None
    entries = {"postgres": f"{behind} pool_mode=session", "*": behind}
    pooler = start_pgbouncer(entries, {"pool_mode": "transaction"}, program=program)
    host = start_standin(db_port=pooler.port, workers=1, max_cron_threads=0, db_name=("prod",))
    request = Request(
        configs=(str(host.home / "odoo.conf"),),
        dsn=server.dsn(),
        pgbouncer_dsns=(pooler.dsn("postgres"),),
        timeout_seconds=60,
    )
    snapshot, _ = collect(request)
    step = RunSql("ALTER SYSTEM SET max_connections = '77'", "ALTER SYSTEM RESET max_connections", PROBE, None, "77")
    remedy = Remedy(target="PostgreSQL here", title="x", reasons=("y",), activation="restart", steps=(step,))
    (restart,) = restarts(plan(remedy), snapshot)
    assert "every session" in restart.stops and "PAUSE" in restart.stops
    host.stop()

    address = f"127.0.0.1:{pooler.port}"
    servers = Servers(Way(server.dsn()), {address: Way(pooler.dsn("postgres"))})
    served: list[str] = []
    failed: list[psycopg.Error] = []
    enough = threading.Event()

    def work() -> None:
        with psycopg.connect(pooler.dsn("odoo", "prod"), autocommit=True, prepare_threshold=None) as client:
            while not enough.is_set():
                try:
                    row = client.execute("SELECT current_setting('max_connections')").fetchone()
                except psycopg.Error as error:
                    failed.append(error)
                    return
                assert row is not None
                served.append(row[0])

    listener = psycopg.connect(pooler.dsn("odoo", "postgres"), autocommit=True, prepare_threshold=None)
    listener.execute("LISTEN imbus")
    client = threading.Thread(target=work)
    client.start()
    journals = Journals(tmp_path / "state")
    try:
        with journals.locked():
            Hand(journals, servers).apply(plan(remedy), lambda: restart.run(servers))
        assert not failed
        with psycopg.connect(server.dsn()) as session:
            assert session.execute("SHOW max_connections").fetchone() == ("77",)
    finally:
        enough.set()
        client.join()
        listener.close()
        end(server)
    assert not failed and {"100"} <= set(served) <= {"100", "77"}


def test_a_transaction_that_does_not_end_keeps_the_server_from_being_restarted(
    start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer
) -> None:
    """A running scheduled action: its clients' neighbours are served again, and nothing was restarted."""
    server = start_postgres(15)
    create_odoo(server)
    behind = f"host=127.0.0.1 port={server.port}"
    pooler = start_pgbouncer({"*": behind}, {"pool_mode": "transaction"})
    servers = Servers(None, {"here": Way(pooler.dsn("postgres"))})
    with psycopg.connect(pooler.dsn("odoo", "prod"), prepare_threshold=None) as job:
        job.execute("SELECT 1")
        with pytest.raises(OperatorError, match="transactions still run"):
            servers.pause("here", 0.3)
        with psycopg.connect(pooler.dsn("odoo", "prod"), prepare_threshold=None) as other:
            assert other.execute("SELECT 2").fetchone() == (2,)
    assert servers.pause("here", 5) == ("prod",)
    servers.resume("here", ("prod",))
    with psycopg.connect(pooler.dsn("odoo", "prod"), prepare_threshold=None) as other:
        assert other.execute("SELECT 2").fetchone() == (2,)


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl on PATH that writes down what it is asked, and refuses what is called broken."""
    (tmp_path / "bin").mkdir()
    said = tmp_path / "systemctl.log"
    program = tmp_path / "bin" / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {said}\n'
        'case "$*" in *broken*) echo "Job for broken.service failed." >&2; exit 1;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return said


def test_odoo_is_restarted_as_a_service_after_its_units_are_read_again(
    systemctl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = {7: "odoo.service", 8: "broken.service"}
    monkeypatch.setattr(fix_restart, "unit_of", units.get)
    instances = (
        OdooInstance("one", "18.0", "x", "/etc/one.conf", (), processes=(7,)),
        OdooInstance("two", "18.0", "x", "/etc/two.conf", (), processes=(8,)),
    )
    snapshot = structs.replace(build.host(), odoo=Odoo(instances))
    by_file = WriteFile("/etc/one.conf", b"", b"x")
    by_drop_in = WriteFile("/etc/systemd/system/broken.service.d/slotwise.conf", None, b"x")
    limits = WriteFile("/etc/systemd/system/pgbouncer.service.d/slotwise.conf", None, b"x")
    remedy = Remedy(target="odoo", title="x", reasons=("y",), steps=(by_file, by_drop_in, limits))
    pooler, one, two = restarts(plan(remedy), snapshot)
    assert "running request" in one.stops and "every client's connection" in pooler.stops
    for restart in (pooler, one):
        restart.run(Servers(None))
    again = ["daemon-reload", "restart pgbouncer.service", "daemon-reload", "restart odoo.service"]
    assert systemctl.read_text().splitlines() == again
    with pytest.raises(OperatorError, match=r"restart broken\.service failed: Job for broken\.service failed"):
        two.run(Servers(None))


def test_odoo_that_is_no_service_is_not_restarted(start_postgres: StartPostgres, start_standin: StartStandin) -> None:
    server = start_postgres(15)
    create_odoo(server)
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=0)
    config = str(host.home / "odoo.conf")
    snapshot, _ = collect(Request(configs=(config,), dsn=server.dsn(), timeout_seconds=60))
    remedy = Remedy(target="odoo.conf", title="x", reasons=("y",), steps=(WriteFile(config, b"", b"x"),))
    with pytest.raises(OperatorError, match="no service of systemd"):
        restarts(plan(remedy), snapshot)
    assert restarts(plan(), snapshot) == ()
