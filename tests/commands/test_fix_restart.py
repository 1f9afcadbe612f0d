"""--restart on a real server behind a real PgBouncer: the new value runs, and a client that waits is served."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import psycopg
import pytest

from slotwise.apply.hand import Hand
from slotwise.apply.journal import Journals
from slotwise.apply.servers import Servers, Way
from slotwise.collectors.runner import Request, collect
from slotwise.commands.fix_restart import restarts
from slotwise.demo.postgres_server import PostgresServer, identity, server_os_user
from slotwise.errors import OperatorError
from slotwise.fixes.remedy import FixPlan, Remedy, RunSql, WriteFile
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


def test_clients_of_pgbouncer_wait_meanwhile(
    start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer, start_standin: StartStandin, tmp_path: Path
) -> None:
    server = start_postgres(16)
    create_odoo(server)
    behind = f"host=127.0.0.1 port={server.port}"
    pooler = start_pgbouncer({"postgres": f"{behind} pool_mode=session", "*": behind}, {"pool_mode": "transaction"})
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
        end(server)
    assert not failed and {"100"} <= set(served) <= {"100", "77"}


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
