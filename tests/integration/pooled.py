"""The generated pgbouncer.ini and the guide's beside it, in the real PgBouncer: 400 clients, and notifications.

Used by test_fix_pooler.py and by ``python -m bench.pooler``, for the figures in the README.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg.pq import ExecStatus, PGconn, PollingStatus

from slotwise.capacity.deployment import OdooHost
from slotwise.capacity.pooling import Workload, size_pools
from slotwise.demo.postgres_server import PostgresServer, free_port
from slotwise.fixes.pgbouncer_auth import by_verifiers
from slotwise.fixes.pgbouncer_ini import Backend, Listening, Version, new_ini

PASSWORD = "g'eh\"eim %x"
CLIENTS = 400
SERVERS = 25
ROUNDS = 3

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
"""As the well-known guide has it."""


class Served(NamedTuple):
    """What happened to the clients: statements asked and answered as they should be, sessions of Odoo's role on the
    server at most."""

    asked: int
    answered: int
    most_servers: int


def ask_for_passwords(server: PostgresServer) -> None:
    """Odoo's role has a password, and the server asks for it."""
    hba = server.data_dir / "pg_hba.conf"
    hba.write_text("host all odoo 127.0.0.1/32 scram-sha-256\n" + hba.read_text())
    with psycopg.connect(server.dsn(), autocommit=True) as session:
        session.execute(psycopg.sql.SQL("ALTER ROLE odoo PASSWORD {}").format(PASSWORD))
        session.execute("SELECT pg_reload_conf()")


def listening(home: Path) -> Listening:
    """Everything beside the file."""
    return Listening(
        auth_file=str(home / "userlist.txt"),
        log_file=str(home / "pgbouncer.log"),
        pid_file=str(home / "pgbouncer.pid"),
        socket_directory=str(home),
    )


def write_generated(home: Path, server: PostgresServer, version: Version = (1, 18)) -> tuple[Path, int]:
    """The file that slotwise writes for four workers, with room for 400 clients, and its port."""
    host = OdooHost(name="h", odoo_version=18, workers=4, max_cron_threads=1, databases=("prod",))
    sizing = size_pools((host,), 57, 6, CLIENTS, Workload(), None)
    text = new_ini(Backend("127.0.0.1", server.port), sizing, version, ("odoo",), listening(home), ("prod",))
    return _write(home, server, text)


def write_guide(home: Path, server: PostgresServer) -> tuple[Path, int]:
    """The guide's file, with the same users, and its port."""
    return _write(home, server, GUIDE.format(port=server.port, home=home))


def _write(home: Path, server: PostgresServer, text: str) -> tuple[Path, int]:
    with psycopg.connect(server.dsn()) as session:
        row = session.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'odoo'").fetchone()
    assert row is not None
    port = free_port()
    ini = home / "pgbouncer.ini"
    ini.write_text(text.replace("listen_port = 6432", f"listen_port = {port}"))
    (home / "userlist.txt").write_text(by_verifiers(("odoo",), {"odoo": row[0]}).userlist)
    return ini, port


def serve(port: int, server: PostgresServer) -> Served:
    """400 clients at the same moment, five of them on database postgres; each asks three times while all others do."""
    with ExitStack() as stack, psycopg.connect(server.dsn(), autocommit=True) as watch:
        clients: list[PGconn] = []
        for n in range(CLIENTS):
            database = "postgres" if n < 5 else "prod"
            client = PGconn.connect_start(_dsn(port, database, f"odoo-{n}").encode())
            stack.callback(client.finish)
            _finish_connecting(client)
            clients.append(client)
        most = answered = 0
        for _ in range(ROUNDS):
            for client in clients:
                client.send_query(b"SELECT pg_sleep(0.002), current_setting('application_name')")
            most = max(most, _sessions(watch))
            for n, client in enumerate(clients):
                answered += _answer(client) == f"odoo-{n}"
                if n % 50 == 0:
                    most = max(most, _sessions(watch))
    return Served(CLIENTS * ROUNDS, answered, most)


def delivered(port: int, notifications: int, seconds: float = 10.0) -> int:
    """How many of so many notifications reach a listener on database postgres, as Odoo's bus sends and hears them: it
    commits its LISTEN and then only waits on its socket; the sender borrows a connection for each."""
    with closing(psycopg.connect(_dsn(port, "postgres", "odoo-bus"), autocommit=True)) as listener:
        listener.execute("LISTEN imbus")
        for n in range(notifications):
            with closing(psycopg.connect(_dsn(port, "postgres", "odoo"), autocommit=True)) as sender:
                sender.execute("SELECT pg_notify('imbus', %s)", [str(n)])
        heard = [one.payload for one in listener.notifies(timeout=seconds, stop_after=notifications)]
        return len(set(heard))


def _dsn(port: int, database: str, application: str) -> str:
    quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
    return f"host=127.0.0.1 port={port} user=odoo dbname={database} application_name={application} password='{quoted}'"


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
        if result.status == ExecStatus.TUPLES_OK:
            said = (result.get_value(0, 1) or b"").decode()
    return said


def states(checks: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The state of each of verify's checks."""
    return {one["id"]: one["state"] for one in checks}
