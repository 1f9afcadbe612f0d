"""Walls and look-alikes that real servers are made to write, read back from the logs they wrote."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

import slotwise.demo.postgres_server as postgres_server
from slotwise.collectors.log_files import read_logs
from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.walls.classify import wall_of_connect_error
from slotwise.walls.tally import Tally
from tests.conftest import StartPgBouncer, StartPostgres
from tests.servers import MAJOR_VERSIONS, binaries_for, create_odoo, until

LOGGING = {
    "logging_collector": "on",
    "log_destination": "stderr,csvlog,jsonlog",
    "log_filename": "server.log",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_error_verbosity": "verbose",
    "lc_messages": "C.utf8",
    "max_connections": "12",
    "superuser_reserved_connections": "2",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "autovacuum_max_workers": "1",
    "max_worker_processes": "1",
    "autovacuum": "off",
    "authentication_timeout": "600s",
}
FORMS = ("server.log", "server.csv", "server.json")


@contextmanager
def connections(server: PostgresServer, count: int, user: str = "postgres", dbname: str = "postgres") -> Iterator[None]:
    with ExitStack() as held:
        for _ in range(count):
            held.enter_context(psycopg.connect(server.dsn(user, dbname)))
        yield


def refused(server: PostgresServer, user: str = "odoo", dbname: str = "prod") -> str:
    """The error text of a connection attempt that must fail."""
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(server.dsn(user, dbname), connect_timeout=20)
    return str(caught.value)


def free(server: PostgresServer) -> None:
    """Wait until the sessions that were just closed are gone."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        counted = "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'"
        until(lambda: connection.execute(counted).fetchone() == (True,))


def provoke_walls(server: PostgresServer) -> Counter[str]:
    """Meet every wall of PostgreSQL's own once or more; the expected kinds. The text that the client got is checked on
    the way."""
    create_odoo(server)
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE small LOGIN CONNECTION LIMIT 1")
        connection.execute("CREATE DATABASE tiny CONNECTION LIMIT 1")
    with connections(server, 1, "small"):
        assert _kind(refused(server, "small", "postgres")) == "pg_role_limit"
    free(server)
    with connections(server, 1, "odoo", "tiny"):
        assert _kind(refused(server, "odoo", "tiny")) == "pg_database_limit"
    free(server)
    reserve = "pg_slots_reserved" if server.major_version < 16 else "pg_slots_reserved_superuser"
    with connections(server, 10, "odoo", "prod"):
        assert _kind(refused(server)) == reserve
        with connections(server, 2):
            assert _kind(refused(server)) == "pg_slots_hard"
            assert _kind(refused(server, "postgres", "postgres")) == "pg_slots_hard"
    free(server)
    return Counter({"pg_role_limit": 1, "pg_database_limit": 1, reserve: 1, "pg_slots_hard": 2})


def _kind(text: str) -> str | None:
    seen = wall_of_connect_error(text)
    return seen.kind if seen else None


def refusals(tally: Tally) -> Counter[str]:
    return Counter(event.kind for event in tally.events if event.refused)


def logged(server: PostgresServer, form: str = "server.log") -> Tally:
    return read_logs([str(server.data_dir / "log" / form)])


def assert_logged(server: PostgresServer, expected: Counter[str]) -> None:
    for form in FORMS:
        path = server.data_dir / "log" / form
        until(path.exists)
        until(lambda form=form: refusals(logged(server, form)).total() >= expected.total())  # type: ignore[misc]
        tally = logged(server, form)
        assert refusals(tally) == expected, form
        assert not tally.unread.reasons, form


@pytest.mark.parametrize("version", MAJOR_VERSIONS)
def test_every_wall_of_each_version_in_each_format(version: int, start_postgres: StartPostgres) -> None:
    server = start_postgres(version, LOGGING)
    expected = provoke_walls(server)
    assert_logged(server, expected)
    database = [event.database for event in logged(server).events if event.kind == "pg_database_limit"]
    assert database == ["tiny"]


@pytest.mark.parametrize("version", [16, 18])
def test_the_reserve_for_roles(version: int, start_postgres: StartPostgres) -> None:
    server = start_postgres(version, {**LOGGING, "reserved_connections": "2"})
    create_odoo(server)
    with connections(server, 8, "odoo", "prod"):
        assert _kind(refused(server)) == "pg_slots_reserved_role"
    assert_logged(server, Counter({"pg_slots_reserved_role": 1}))


@pytest.mark.parametrize("version", MAJOR_VERSIONS)
def test_a_flood_that_never_logs_in_is_told_from_full_slots(version: int, start_postgres: StartPostgres) -> None:
    server = start_postgres(version, LOGGING)
    with ExitStack() as held:
        for _ in range(34):  # twice (max_connections + autovacuum + workers) and some
            held.enter_context(socket.create_connection(("127.0.0.1", server.port)))

        def met() -> str:
            try:
                psycopg.connect(server.dsn(), connect_timeout=20).close()
            except psycopg.OperationalError as error:
                return str(error)
            return ""

        until(met)
    until(lambda: refusals(logged(server))["pg_process_table"] >= 1)
    for form in FORMS:
        until(lambda form=form: refusals(logged(server, form)))
        assert set(refusals(logged(server, form))) == {"pg_process_table"}, form


@contextmanager
def limited(server: PostgresServer, limit: str, value: int) -> Iterator[None]:
    """A soft limit of the postmaster, set as its own user (root may not do it everywhere), and back again."""
    number = {"nproc": resource.RLIMIT_NPROC, "nofile": resource.RLIMIT_NOFILE}[limit]
    before = resource.getrlimit(number)[0]
    _set_limit(server, limit, value)
    yield
    _set_limit(server, limit, before)


def _set_limit(server: PostgresServer, limit: str, value: int) -> None:
    soft = "unlimited" if value == resource.RLIM_INFINITY else str(value)
    identity = postgres_server.identity(postgres_server.server_os_user())
    subprocess.run(["prlimit", f"--pid={server.pid}", f"--{limit}={soft}:"], check=True, timeout=20, **identity)


@pytest.mark.parametrize("version", MAJOR_VERSIONS)
def test_limits_of_the_host(version: int, start_postgres: StartPostgres) -> None:
    server = start_postgres(version, {**LOGGING, "log_destination": "stderr"})
    with limited(server, "nproc", 0):
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.dsn(), connect_timeout=10)
        until(lambda: refusals(logged(server))["pg_fork_failed"])
    with limited(server, "nofile", 3), socket.create_connection(("127.0.0.1", server.port)):
        until(lambda: refusals(logged(server))["fd_postmaster"])
    assert {event.wall.value for event in logged(server).events if event.refused} == {"memory", "fd_limit"}


@pytest.mark.parametrize("version", MAJOR_VERSIONS)
def test_a_killed_backend_is_no_lack_of_connections(version: int, start_postgres: StartPostgres) -> None:
    server = start_postgres(version, LOGGING)
    with psycopg.connect(server.dsn()) as victim:
        os.kill(victim.info.backend_pid, signal.SIGKILL)
        until(lambda: "pg_killed" in logged(server).kinds)
        with suppress(psycopg.OperationalError):
            victim.execute("SELECT 1")
    for form in FORMS:
        until(lambda form=form: "pg_killed" in logged(server, form).kinds)
        assert not refusals(logged(server, form))


@pytest.mark.parametrize("version", MAJOR_VERSIONS)
def test_lookalikes_are_never_called_a_wall(version: int, start_postgres: StartPostgres) -> None:
    server = start_postgres(version, {**LOGGING, "log_statement": "all", "deadlock_timeout": "20ms"})
    create_odoo(server)
    expected = provoke_lookalikes(server)
    for form in FORMS:
        until(lambda form=form: expected <= set(logged(server, form).kinds))
        tally = logged(server, form)
        assert set(tally.walls) <= {"other_not_connection", "network"}, form


def provoke_lookalikes(server: PostgresServer) -> set[str]:
    refused(server, "odoo", "nowhere")
    refused(server, "nobody_at_all", "prod")
    with psycopg.connect(server.dsn("odoo", "prod"), autocommit=True) as one:
        one.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
        one.execute("INSERT INTO t VALUES (1, 'FATAL:  sorry, too many clients already'), (2, 'too many connections')")
        _fails(one, "SET statement_timeout = '20ms'; SELECT pg_sleep(5)")
        _fails(one, "SELECT 'remaining connection slots are reserved' FROM nowhere")
    _deadlock(server)
    _conflict(server)
    with psycopg.connect(server.dsn("odoo", "prod")) as ended, psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", [ended.info.backend_pid])
        _fails(ended, "SELECT 1")
    return {
        *("database_missing", "authentication", "statement_timeout", "deadlock", "serialization_failure"),
        "admin_terminate",
    }


def _fails(connection: psycopg.Connection[tuple[object, ...]], sql: str) -> None:
    with pytest.raises(psycopg.Error):
        connection.execute(sql.encode())


def _deadlock(server: PostgresServer) -> None:
    first, second = (psycopg.connect(server.dsn("odoo", "prod")) for _ in range(2))
    errors: list[psycopg.Error] = []

    def cross(connection: psycopg.Connection[tuple[object, ...]], row: int) -> None:
        try:
            connection.execute("UPDATE t SET v = 'x' WHERE id = %s", [row])
        except psycopg.Error as error:
            errors.append(error)

    with first, second:
        first.execute("UPDATE t SET v = 'a' WHERE id = 1")
        second.execute("UPDATE t SET v = 'b' WHERE id = 2")
        other = threading.Thread(target=cross, args=(first, 2))
        other.start()
        cross(second, 1)
        other.join()
        assert len(errors) == 1
        for connection in (first, second):
            connection.rollback()


def _conflict(server: PostgresServer) -> None:
    first, second = (psycopg.connect(server.dsn("odoo", "prod")) for _ in range(2))
    with first, second:
        first.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        first.execute("SELECT * FROM t")
        second.execute("UPDATE t SET v = 'c' WHERE id = 1")
        second.commit()
        _fails(first, "UPDATE t SET v = 'd' WHERE id = 1")
        first.rollback()


@pytest.fixture
def speaking_server(
    postgres_servers: PostgresServers, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], PostgresServer]:
    """A server whose messages are translated: PostgreSQL 15 as Debian ships it has message catalogues."""
    usual = postgres_server.identity

    def start(language: str, ctype: str) -> PostgresServer:
        def speaking(*arguments: object) -> postgres_server.Identity:
            made = usual(*arguments)  # type: ignore[arg-type]
            return {**made, "env": {**made["env"], "LANGUAGE": language, "LC_ALL": ctype}}

        monkeypatch.setattr(postgres_server, "identity", speaking)
        return postgres_servers.start(binaries_for(15), {**LOGGING, "log_error_verbosity": "default"})

    return start


@pytest.mark.parametrize(
    ("language", "ctype"),
    [("de", "C.UTF-8"), ("fr", "C"), ("ru", "C.UTF-8"), ("ru", "C"), ("zh_CN", "C.UTF-8"), ("ja", "C.UTF-8")],
)
def test_every_wall_in_other_languages(
    language: str, ctype: str, speaking_server: Callable[[str, str], PostgresServer]
) -> None:
    """With LC_CTYPE C the server writes Latin letters for Cyrillic ones and question marks for accents."""
    with speaking_server(language, ctype) as server:
        expected = provoke_walls(server)
        assert "too many" not in (server.data_dir / "log" / "server.log").read_text(encoding="utf-8", errors="replace")
        for form in FORMS:
            until(lambda form=form: refusals(logged(server, form)).total() >= expected.total())
            assert refusals(logged(server, form)) == expected, form


def test_a_message_of_question_marks_alone_is_said_to_be_unread(
    speaking_server: Callable[[str, str], PostgresServer],
) -> None:
    """Chinese under LC_CTYPE C leaves nothing to read: that must not pass for a quiet log."""
    with speaking_server("zh_CN", "C") as server:
        create_odoo(server)
        with connections(server, 10, "odoo", "prod"):
            refused(server)
        until(lambda: "question marks" in " ".join(logged(server).unread.reasons))


@pytest.mark.parametrize("newest", [False, True], ids=["installed", "newest"])
def test_walls_of_pgbouncer(
    newest: bool, start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer, request: pytest.FixtureRequest
) -> None:
    program: Path | None = request.getfixturevalue("newest_program") if newest else None
    server = start_postgres(15, {"max_connections": "12", "superuser_reserved_connections": "2"})
    create_odoo(server, ("prod", "other"))
    target = f"host=127.0.0.1 port={server.port}"
    pooler = start_pgbouncer(
        {"prod": target, "other": target, "gone": "host=127.0.0.1 port=1"},
        {
            "pool_mode": "session",
            "default_pool_size": "2",
            "max_client_conn": "4",
            "query_wait_timeout": "1",
            "server_login_retry": "1",
            "client_login_timeout": "2",
        },
        program=program,
    )

    def kinds() -> Counter[str]:
        return refusals(read_logs([str(pooler.log_file)]))

    def fails(dbname: str) -> str:
        with (
            pytest.raises(psycopg.OperationalError) as caught,
            psycopg.connect(pooler.dsn("odoo", dbname), autocommit=True) as connection,
        ):
            connection.execute("SELECT 1")
        return str(caught.value)

    with ExitStack() as held:
        for _ in range(2):
            connection = held.enter_context(psycopg.connect(pooler.dsn("odoo", "prod"), autocommit=True))
            connection.execute("SELECT 1")
        fails("prod")
        until(lambda: kinds()["pgb_query_wait_timeout"])
        fails("gone")
        until(lambda: kinds()["pgb_server_down_cold"] + kinds()["pgb_query_wait_timeout"] >= 2)
        assert _kind(fails("nowhere")) == "database_missing"
        with connections(server, 8, "odoo", "other"):
            fails("other")
        until(lambda: kinds()["pg_slots_reserved"])
        for _ in range(2):
            held.enter_context(psycopg.connect(pooler.dsn("postgres", "pgbouncer"), autocommit=True))
        for _ in range(2):
            sock = held.enter_context(socket.create_connection(("127.0.0.1", pooler.port)))
            assert sock
        until(lambda: _kind(fails("prod")) == "pgb_max_client_conn")
    until(lambda: kinds()["pgb_max_client_conn"])
    tally = read_logs([str(pooler.log_file)])
    assert {name for name in tally.walls if name.startswith("p")} >= {
        *("pgb_query_wait", "pgb_max_client_conn", "pg_reserved", "pgb_server_login"),
    }
    assert {event.database for event in tally.events if event.kind == "pgb_query_wait_timeout"} >= {"prod"}


def test_caps_of_the_newest_pgbouncer_by_user_and_database(
    start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer, newest_program: Path
) -> None:
    """1.24 and newer: max_user_client_connections and max_db_client_connections."""
    server = start_postgres(15)
    create_odoo(server, ("prod", "other"))
    target = f"host=127.0.0.1 port={server.port}"
    pooler = start_pgbouncer(
        {"prod": target, "other": f"{target} max_db_client_connections=1"},
        {"max_user_client_connections": "2"},
        program=newest_program,
    )
    kinds: Counter[str] = Counter()

    def attempt(dbname: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(pooler.dsn("odoo", dbname), connect_timeout=20)

    with attempt("other"):
        with pytest.raises(psycopg.OperationalError) as caught:
            attempt("other")
        kinds[_kind(str(caught.value)) or ""] += 1
        with attempt("prod"):
            with pytest.raises(psycopg.OperationalError) as caught:
                attempt("prod")
            kinds[_kind(str(caught.value)) or ""] += 1
    expected = {"pgb_max_db_client_connections": 1, "pgb_max_user_client_connections": 1}
    assert kinds == expected

    def told() -> bool:
        tally = read_logs([str(pooler.log_file)])
        refused = [event for event in tally.events if event.refused and not event.echo]
        return {event.kind for event in refused} == expected.keys() and {event.user for event in refused} == {"odoo"}

    until(told)
