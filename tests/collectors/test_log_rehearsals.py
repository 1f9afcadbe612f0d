"""Rehearsed incidents: real servers are driven into them, an Odoo-like client writes Odoo's log, and the logs alone
must tell the cause, the first victim and the time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from slotwise.collectors.log_files import read_logs
from slotwise.demo.postgres_server import PostgresServer
from slotwise.walls.incidents import Incident
from slotwise.walls.story import tell
from tests.conftest import StartPgBouncer, StartPostgres, StartStandin
from tests.servers import create_odoo, until

SETTINGS = {"max_connections": "10", "superuser_reserved_connections": "2", "log_line_prefix": "%m [%p] %q%u@%d "}
TOLERANCE_SECONDS = 2.0


class Truth(NamedTuple):
    """What really happened first."""

    seconds: float
    database: str | None


class OdooLike:
    """Opens connections and writes what Odoo 18 writes (odoo/sql_db.py, odoo/http.py), in UTC as Odoo does."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / "odoo.log"
        self.truth: Truth | None = None
        self.held = ExitStack()

    def write(self, level: str, database: str, logger: str, message: str, age_seconds: float = 0.0) -> None:
        now = time.time() - age_seconds
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now)) + f",{int(now % 1 * 1000):03d}"
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"{stamp} {os.getpid()} {level} {database} {logger}: {message} \n")

    def starts(self) -> None:
        """What a quiet morning looks like: started an hour ago, jobs ran."""
        self.write("INFO", "?", "odoo", "Odoo version 18.0-20261101", age_seconds=3600)
        self.write("INFO", "prod", "odoo.addons.base.models.ir_cron", "Job 'Mail' (3) starting", age_seconds=20)

    def request(self, dsn: str, database: str) -> bool:
        """One request: holds a connection on success, else logs the failure."""
        began = time.time()
        try:
            connection = psycopg.connect(dsn, connect_timeout=20, autocommit=True)
            self.held.callback(_close, connection)
            connection.execute("SELECT 1")
        except psycopg.OperationalError as error:
            self.truth = self.truth or Truth(time.time() if "pgbouncer" not in dsn else began, database)
            self.write("INFO", database, "odoo.sql_db", "Connection to the database failed")
            self.write(
                "WARNING", database, "odoo.http", f"Database or registry unusable, trying without{_traceback(error)}"
            )
            return False
        return True

    def pool_error(self, database: str, logger: str = "odoo.http") -> None:
        self.truth = self.truth or Truth(time.time(), database)
        trace = (
            "\nTraceback (most recent call last):\n"
            '  File "/opt/odoo/odoo/sql_db.py", line 700, in borrow\n'
            "    raise PoolError('The Connection Pool Is Full')\n"
            "psycopg2.pool.PoolError: The Connection Pool Is Full"
        )
        self.write("ERROR", database, logger, f"Exception during request handling.{trace}")


def _traceback(error: Exception) -> str:
    return (
        "\nTraceback (most recent call last):\n"
        '  File "/opt/odoo/odoo/sql_db.py", line 763, in db_connect\n'
        "    result = psycopg2.connect(\n"
        f"psycopg2.OperationalError: {error}"
    )


def _close(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    with suppress(psycopg.Error):
        connection.close()


@pytest.fixture
def odoo(tmp_path: Path) -> Iterator[OdooLike]:
    made = OdooLike(tmp_path)
    made.starts()
    with made.held:
        yield made


def incident_of(*logs: Path) -> Incident:
    incidents = tell(read_logs([str(log) for log in logs])).incidents
    assert len(incidents) == 1, [(one.wall, one.reasoned.cause.slug) for one in incidents]
    return incidents[0]


def assert_told(incident: Incident, cause: str, truth: Truth | None) -> None:
    assert incident.reasoned.cause.slug == cause, incident.reasoned
    assert truth is not None
    assert abs(incident.start_seconds - truth.seconds) < TOLERANCE_SECONDS
    assert incident.first_victim.database == truth.database


def logged(server: PostgresServer, words: str) -> Path:
    until(lambda: words in server.log_text())
    return server.log_file


def test_slots_exhausted(start_postgres: StartPostgres, odoo: OdooLike) -> None:
    server = start_postgres(15, SETTINGS)
    create_odoo(server)
    while odoo.request(server.dsn("odoo", "prod"), "prod"):
        pass
    odoo.request(server.dsn("odoo", "prod"), "prod")
    incident = incident_of(odoo.log, logged(server, "remaining connection slots"))
    assert_told(incident, "slots-exhausted", odoo.truth)
    assert incident.refused == 2
    assert incident.first_victim.pid == os.getpid()
    assert any("logged out" in saw for saw in incident.users_saw)


def test_leak(start_postgres: StartPostgres, odoo: OdooLike) -> None:
    server = start_postgres(16, SETTINGS)
    create_odoo(server)
    while odoo.request(server.dsn("odoo", "prod"), "prod"):
        odoo.write("WARNING", "prod", "odoo.sql_db", "Cursor not closed explicitly\nCursor was created at addon.py:12")
    assert_told(incident_of(odoo.log, logged(server, "slots are reserved")), "leak", odoo.truth)


def test_deploy_surge(start_postgres: StartPostgres, odoo: OdooLike) -> None:
    server = start_postgres(18, SETTINGS)
    create_odoo(server)
    odoo.write("INFO", "?", "odoo", "Odoo version 18.0-20261101")
    while odoo.request(server.dsn("odoo", "prod"), "prod"):
        pass
    assert_told(incident_of(odoo.log, logged(server, "slots are reserved")), "deploy-surge", odoo.truth)


def test_role_limit(start_postgres: StartPostgres, odoo: OdooLike) -> None:
    server = start_postgres(18, SETTINGS)
    create_odoo(server)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("ALTER ROLE odoo CONNECTION LIMIT 3")
    while odoo.request(server.dsn("odoo", "prod"), "prod"):
        pass
    assert_told(incident_of(odoo.log, logged(server, "for role")), "role-limit", odoo.truth)


def test_database_limit(start_postgres: StartPostgres, odoo: OdooLike) -> None:
    server = start_postgres(15, SETTINGS)
    create_odoo(server, ("prod", "shop"))
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("ALTER DATABASE shop CONNECTION LIMIT 2")
    while odoo.request(server.dsn("odoo", "shop"), "shop"):
        pass
    assert_told(incident_of(odoo.log, logged(server, "for database")), "database-limit", odoo.truth)


def test_odoo_pool_small(start_postgres: StartPostgres, odoo: OdooLike) -> None:
    server = start_postgres(15, {**SETTINGS, "log_connections": "on"})
    create_odoo(server)
    for _ in range(3):
        assert odoo.request(server.dsn("odoo", "prod"), "prod")
    odoo.write("DEBUG", "prod", "odoo.sql_db.connection", "ConnectionPool(read/write;used=3/count=3/max=3) Create new")
    odoo.pool_error("prod")
    incident = incident_of(odoo.log, logged(server, "authorized"))
    assert_told(incident, "odoo-pool-small", odoo.truth)
    assert "max_connections" in (incident.reasoned.cause.avoid or "")
    assert "3" in " ".join(incident.reasoned.because)


def test_gevent_pool_small(odoo: OdooLike) -> None:
    odoo.pool_error("prod", "odoo.addons.bus.websocket")
    assert_told(incident_of(odoo.log), "gevent-pool-small", odoo.truth)


def test_pooler_client_limit(start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer, odoo: OdooLike) -> None:
    server = start_postgres(15, SETTINGS)
    create_odoo(server)
    pooler = start_pgbouncer({"prod": f"host=127.0.0.1 port={server.port}"}, {"max_client_conn": "3"})
    while odoo.request(pooler.dsn("odoo", "prod"), "prod"):
        pass
    until(lambda: "max_client_conn)" in pooler.log_file.read_text())
    incident = incident_of(odoo.log, server.log_file, pooler.log_file)
    assert_told(incident, "pooler-client-limit", odoo.truth)
    assert incident.refused == 1


def test_pooler_starved(start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer, odoo: OdooLike) -> None:
    server = start_postgres(15, SETTINGS)
    create_odoo(server)
    pooler = start_pgbouncer(
        {"prod": f"host=127.0.0.1 port={server.port}"},
        {"default_pool_size": "2", "query_wait_timeout": "1", "pool_mode": "session"},
    )
    while odoo.request(pooler.dsn("odoo", "prod"), "prod"):
        pass
    until(lambda: "pooler error: query_wait_timeout" in pooler.log_file.read_text())
    assert_told(incident_of(odoo.log, server.log_file, pooler.log_file), "pooler-starved", odoo.truth)


def test_pooler_above_slots(start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer, odoo: OdooLike) -> None:
    server = start_postgres(15, SETTINGS)
    create_odoo(server)
    pooler = start_pgbouncer(
        {"prod": f"host=127.0.0.1 port={server.port}"},
        {"default_pool_size": "50", "query_wait_timeout": "2", "pool_mode": "session"},
    )
    while odoo.request(pooler.dsn("odoo", "prod"), "prod"):
        pass
    text = "server login failed"
    until(lambda: text in pooler.log_file.read_text() or "login failed" in pooler.log_file.read_text())
    incident = incident_of(odoo.log, logged(server, "slots are reserved"), pooler.log_file)
    assert incident.reasoned.cause.slug == "pooler-above-slots", incident.reasoned
    assert odoo.truth is not None
    # The server refused the pooler first; the user's page waited for query_wait_timeout longer.
    assert 0 <= odoo.truth.seconds - incident.start_seconds < 2 + TOLERANCE_SECONDS


def test_server_restart(start_postgres: StartPostgres, odoo: OdooLike) -> None:
    server = start_postgres(15, SETTINGS)
    create_odoo(server)
    assert odoo.request(server.dsn("odoo", "prod"), "prod")
    server.stop("fast")
    assert not odoo.request(server.dsn("odoo", "prod"), "prod")
    server.start()
    incident = incident_of(odoo.log, server.log_file)
    assert_told(incident, "server-restart", odoo.truth)
    assert not incident.wall.refuses


def test_server_killed(start_postgres: StartPostgres, odoo: OdooLike) -> None:
    server = start_postgres(18, SETTINGS)
    create_odoo(server)
    with psycopg.connect(server.dsn("odoo", "prod")) as victim:
        began = time.time()
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        incident = incident_of(odoo.log, logged(server, "terminated by signal 9"))
        with suppress(psycopg.Error):
            victim.execute("SELECT 1")
    assert incident.reasoned.cause.slug == "server-killed"
    assert abs(incident.start_seconds - began) < TOLERANCE_SECONDS


def test_leak_by_the_standin(
    start_postgres: StartPostgres, start_standin: StartStandin, odoo: OdooLike, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An addon in one worker forgets a cursor at every request; what Odoo's Cursor says when it is collected
    (odoo/sql_db.py ``__del__``) is written here, because the stand-in keeps what it forgets."""
    monkeypatch.setenv("TZ", "UTC")
    server = start_postgres(18, SETTINGS)
    create_odoo(server)
    host = start_standin(workers=2, max_cron_threads=1, db_name=("prod",), db_port=server.port)
    odoo.log = host.log_file
    while (outcome := host.leak("prod", cursors=1)).served:
        odoo.write("WARNING", "prod", "odoo.sql_db", "Cursor not closed explicitly\nCursor was created at addon.py:12")
    odoo.truth = Truth(time.time(), "prod")
    assert outcome.error_kind == "refused"
    assert not all(one.served for one in host.begin(2, "prod"))
    assert_told(incident_of(host.log_file, logged(server, "slots are reserved")), "leak", odoo.truth)


def test_more_workers_than_slots_by_the_standin(
    start_postgres: StartPostgres, start_standin: StartStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    server = start_postgres(16, SETTINGS)
    create_odoo(server)
    host = start_standin(workers=10, max_cron_threads=1, db_name=("prod",), db_port=server.port)
    for _ in range(host.settings.workers):
        (outcome,) = host.begin(1, "prod")
        if not outcome.served:
            break
    truth = Truth(time.time(), "prod")
    assert outcome.error_kind == "refused"
    incident = incident_of(host.log_file, logged(server, "slots are reserved"))
    assert_told(incident, "slots-exhausted", truth)
    assert "workers" in incident.reasoned.cause.remedy


def test_scheduled_actions_at_once_by_the_standin(
    start_postgres: StartPostgres, start_standin: StartStandin, odoo: OdooLike, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five cron workers begin a job each; the line that ir_cron logs before a job is written here."""
    monkeypatch.setenv("TZ", "UTC")
    databases = [f"prod{number}" for number in range(5)]
    server = start_postgres(15, {**SETTINGS, "max_connections": "20"})
    create_odoo(server, databases)
    host = start_standin(workers=1, max_cron_threads=5, db_name=tuple(databases), db_port=server.port)
    odoo.log = host.log_file
    for worker, database in enumerate(databases):
        odoo.write("INFO", database, "odoo.addons.base.models.ir_cron", f"Job 'Mail' ({worker}) starting")
        outcome = host.begin_scheduled_action(database, worker=worker)
        if not outcome.served:
            break
    odoo.truth = Truth(time.time(), database)
    assert outcome.error_kind == "refused"
    assert_told(incident_of(host.log_file, logged(server, "slots are reserved")), "cron-surge", odoo.truth)


def test_clocks_that_disagree_are_put_right(start_postgres: StartPostgres, odoo: OdooLike) -> None:
    """Odoo's host is two hours fast: still one incident, and the offset is said."""
    server = start_postgres(15, SETTINGS)
    create_odoo(server)
    while odoo.request(server.dsn("odoo", "prod"), "prod"):
        pass
    for _ in range(4):
        odoo.request(server.dsn("odoo", "prod"), "prod")
        earlier = time.monotonic()
        until(lambda earlier=earlier: time.monotonic() > earlier + 0.05)  # type: ignore[misc]
    lines = odoo.log.read_text().splitlines()
    fast = [_later(line, 7200) if line[:4].isdigit() else line for line in lines]
    odoo.log.write_text("\n".join(fast) + "\n")
    story = tell(read_logs([str(odoo.log), str(logged(server, "slots are reserved"))]))
    assert len(story.incidents) == 1
    assert story.clocks[0].seconds == pytest.approx(7200, abs=1.0)
    assert odoo.truth is not None
    assert abs(story.incidents[0].start_seconds - odoo.truth.seconds) < TOLERANCE_SECONDS


def _later(line: str, seconds: int) -> str:
    import calendar

    moment = calendar.timegm(time.strptime(line[:19], "%Y-%m-%d %H:%M:%S")) + seconds
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment)) + line[19:]
