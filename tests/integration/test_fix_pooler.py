"""The generated pgbouncer.ini in the real PgBouncer: it starts, lets Odoo in with its password, and serves 400 clients
over few server connections. The guide's file beside it loses notifications."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.pq import ExecStatus, PGconn, PollingStatus

from slotwise.capacity.deployment import OdooHost
from slotwise.capacity.pooling import Workload, size_pools
from slotwise.cli.app import run
from slotwise.demo.postgres_server import PostgresServer, PostgresServers, free_port, identity, server_os_user
from slotwise.fixes.pgbouncer_auth import by_lookup, by_verifiers
from slotwise.fixes.pgbouncer_ini import Backend, Listening, new_ini
from tests.conftest import StartPostgres, StartStandin
from tests.servers import create_odoo, until

PASSWORD = "g'eh\"eim %x"
CLIENTS = 400
SERVERS = 25


@contextmanager
def running(ini: Path) -> Iterator[None]:
    """The real PgBouncer with this file, as the servers' OS user."""
    process = subprocess.Popen(
        ["/usr/sbin/pgbouncer", str(ini)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **identity(server_os_user()),
    )
    try:
        port = next(int(w.split("=")[1]) for w in ini.read_text().splitlines() if w.startswith("listen_port"))
        until(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, (ini.parent / "pgbouncer.log").read_text()
        yield
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def home(postgres_servers: PostgresServers) -> Iterator[Path]:
    import shutil

    path = postgres_servers.directory / f"pooler-{free_port()}"
    path.mkdir()
    user = server_os_user()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def server(start_postgres: StartPostgres) -> PostgresServer:
    made = start_postgres(15, {"max_connections": "60"})
    create_odoo(made)
    hba = made.data_dir / "pg_hba.conf"
    hba.write_text("host all odoo 127.0.0.1/32 scram-sha-256\n" + hba.read_text())
    with psycopg.connect(made.dsn(), autocommit=True) as session:
        session.execute(psycopg.sql.SQL("ALTER ROLE odoo PASSWORD {}").format(PASSWORD))
        session.execute("SELECT pg_reload_conf()")
    return made


def write(home: Path, server: PostgresServer, text: str, userlist: str) -> tuple[Path, int]:
    port = free_port()
    ini = home / "pgbouncer.ini"
    ini.write_text(text.replace("listen_port = 6432", f"listen_port = {port}"))
    (home / "userlist.txt").write_text(userlist)
    return ini, port


def listening(home: Path) -> Listening:
    return Listening(
        auth_file=str(home / "userlist.txt"),
        log_file=str(home / "pgbouncer.log"),
        pid_file=str(home / "pgbouncer.pid"),
        socket_directory=str(home),
    )


def generated(home: Path, server: PostgresServer) -> tuple[Path, int]:
    host = OdooHost(name="h", odoo_version=18, workers=4, max_cron_threads=1, databases=("prod",))
    sizing = size_pools((host,), 57, 6, CLIENTS, Workload(), None)
    with psycopg.connect(server.dsn()) as session:
        row = session.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'odoo'").fetchone()
    assert row is not None
    auth = by_verifiers(("odoo",), {"odoo": row[0]})
    text = new_ini(Backend("127.0.0.1", server.port), sizing, (1, 18), ("odoo",), listening(home), ("prod",))
    return write(home, server, text, auth.userlist)


GUIDE = """\
[databases]
* = host=127.0.0.1 port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 6432
unix_socket_dir = {home}
auth_type = scram-sha-256
auth_file = {home}/userlist.txt
logfile = {home}/pgbouncer.log
pool_mode = transaction
max_client_conn = 500
default_pool_size = 25
"""


def states(capsys: Any, port: int, server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    capsys.readouterr()
    way = "host=127.0.0.1 port={} user=odoo dbname=prod"
    processes = ["--workers", "4", "--max-cron-threads", "1"]
    run(
        [
            "verify",
            "--dsn",
            way.format(port),
            "--direct",
            way.format(server.port),
            *processes,
            "--exhaust",
            "--format",
            "json",
        ]
    )
    checks = json.loads(capsys.readouterr().out)["checks"]
    return {c["id"]: c["state"] for c in checks}


def test_every_need_of_odoo_works_through_the_generated_file(
    home: Path, server: PostgresServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ini, port = generated(home, server)
    with running(ini):
        seen = states(capsys, port, server, monkeypatch)
    assert seen["listen-notify"] == "works"
    assert set(seen.values()) <= {"works", "not-needed"}, [name for name, state in seen.items() if state == "unknown"]


def test_the_guides_file_loses_notifications(
    home: Path, server: PostgresServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(server.dsn()) as session:
        row = session.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'odoo'").fetchone()
    assert row is not None
    userlist = by_verifiers(("odoo",), {"odoo": row[0]}).userlist
    ini, port = write(home, server, GUIDE.format(port=server.port, home=home), userlist)
    with running(ini):
        assert states(capsys, port, server, monkeypatch)["listen-notify"] == "broken"


def test_400_clients_over_25_server_connections(home: Path, server: PostgresServer) -> None:
    ini, port = generated(home, server)
    with running(ini), ExitStack() as stack, psycopg.connect(server.dsn(), autocommit=True) as watch:
        clients: list[PGconn] = []
        for n in range(CLIENTS):
            database = "postgres" if n < 5 else "prod"
            client = PGconn.connect_start(
                f"host=127.0.0.1 port={port} user=odoo dbname={database} application_name=odoo-{n}".encode()
                + b" password='" + PASSWORD.replace("\\", "\\\\").replace("'", "\\'").encode() + b"'"
            )  # fmt: skip
            stack.callback(client.finish)
            _finish_connecting(client)
            clients.append(client)
        most = 0
        answers: list[str] = []
        for _ in range(3):
            for client in clients:
                client.send_query(b"SELECT pg_sleep(0.002), current_setting('application_name')")
            most = max(most, _sessions(watch))
            for n, client in enumerate(clients):
                answers.append(_answer(client))
                if n % 50 == 0:
                    most = max(most, _sessions(watch))
    assert answers == [f"odoo-{n}" for n in range(CLIENTS)] * 3
    assert 0 < most <= SERVERS


def _sessions(watch: psycopg.Connection[Any]) -> int:
    row = watch.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'odoo'").fetchone()
    assert row is not None
    return int(row[0])


def _finish_connecting(client: PGconn) -> None:
    with selectors.DefaultSelector() as selector:
        end = time.monotonic() + 60
        while (status := client.connect_poll()) != PollingStatus.OK:
            assert status != PollingStatus.FAILED, client.error_message
            event = selectors.EVENT_READ if status == PollingStatus.READING else selectors.EVENT_WRITE
            selector.register(client.socket, event)
            assert selector.select(end - time.monotonic())
            selector.unregister(client.socket)


def _answer(client: PGconn) -> str:
    said = ""
    while (result := client.get_result()) is not None:
        assert result.status == ExecStatus.TUPLES_OK, result.error_message
        said = (result.get_value(0, 1) or b"").decode()
    return said


def test_the_lookup_function_tells_only_odoos_roles(server: PostgresServer) -> None:
    auth = by_lookup(("odoo",), "md5" + "0" * 32, "secret", frozenset(), frozenset())
    with psycopg.connect(server.dsn(), autocommit=True) as session:
        for step in auth.statements:
            assert session.execute(step.probe.encode()).fetchone() is None
            session.execute(step.do.encode())
            assert session.execute(step.probe.encode()).fetchone() == (step.after,)
        session.execute("SET ROLE slotwise_pgbouncer")
        query = "SELECT usename, passwd FROM slotwise_pgbouncer.lookup(%s)"
        found = session.execute(query, ["odoo"]).fetchall()
        assert [name for name, _ in found] == ["odoo"] and found[0][1].startswith("SCRAM-SHA-256$")
        assert session.execute(query, ["postgres"]).fetchall() == []
        session.execute("RESET ROLE")
        for step in reversed(auth.statements):
            session.execute(step.undo.encode())
            assert session.execute(step.probe.encode()).fetchone() is None


def test_fix_writes_a_pooler_that_starts_and_rolls_it_back(
    home: Path,
    start_postgres: StartPostgres,
    start_standin: StartStandin,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = start_postgres(16, {"max_connections": "60"})
    create_odoo(server)
    with psycopg.connect(server.dsn(), autocommit=True) as session:
        session.execute("ALTER ROLE odoo PASSWORD 'x'")
    host = start_standin(db_port=server.port, workers=2, max_cron_threads=1, db_name=("prod",))
    ini = home / "pgbouncer.ini"
    where = ["--config", str(host.home / "odoo.conf"), "--dsn", server.dsn(), "--state", str(tmp_path / "state")]
    run(["fix", "--pooler", "--pooler-ini", str(ini), "--apply", "--yes", *where, "--timeout", "60"])
    said = capsys.readouterr().out
    assert "applied: change" in said and "SCRAM-SHA-256" not in said
    assert (home / "userlist.txt").stat().st_mode & 0o777 == 0o640
    text = ini.read_text()
    ini.write_text(text.replace("listen_port = 6432", f"listen_port = {free_port()}"))
    with running(ini):
        pass
    ini.write_text(text)
    assert run(["fix", "--rollback", *where]) == 0
    assert not ini.exists() and not (home / "userlist.txt").exists()
