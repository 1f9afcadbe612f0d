"""A stand-in host as others see it: in /proc, in pg_stat_activity, in its log. The topologies are those of recordings
of real hosts (tests/evidence)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.errors import OperatorError
from slotwise.standin.flows import RequestOptions
from slotwise.standin.host import StandinHost
from tests.conftest import StartPostgres, StartStandin
from tests.servers import alive, binaries_for, create_odoo, odoo_sessions, until

BEGIN_18 = "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE"


@pytest.fixture(scope="module")
def shared(postgres_servers: PostgresServers) -> Iterator[PostgresServer]:
    with postgres_servers.start(binaries_for(15)) as server:
        create_odoo(server, ["prod", "test"])
        yield server


@pytest.fixture
def server(shared: PostgresServer) -> PostgresServer:
    until(lambda: not odoo_sessions(shared))
    return shared


def command_line(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def sockets(pid: int) -> set[str]:
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    return {link for link in links if link.startswith("socket:")}


def listening_inode(port: int) -> str:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == f"0100007F:{port:04X}" and fields[3] == "0A":
            return f"socket:[{fields[9]}]"
    raise AssertionError(f"nobody listens on {port}")


def applications(server: PostgresServer, database: str) -> Counter[str]:
    return Counter(s.application for s in odoo_sessions(server) if s.database == database)


def states(server: PostgresServer, database: str) -> Counter[tuple[str, str]]:
    return Counter((s.state, s.query) for s in odoo_sessions(server) if s.database == database)


# --- processes


def test_prefork_processes_look_like_odoos(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=3, max_cron_threads=2, db_name=("prod",))
    roles = Counter(one.role for one in host.processes())
    assert roles == {"master": 1, "http_worker": 3, "cron_worker": 2, "gevent": 1}
    master = command_line(host.pid)
    assert master[1].endswith("/odoo-bin")
    assert master[2:] == ["-c", str(host.conf_file), "--workers=3", "--max-cron-threads=2", "-d", "prod"]
    for one in host.processes():
        words = command_line(one.pid)
        if one.role == "gevent":
            assert words == [*master[:2], "gevent", *master[2:]]
        else:
            assert words == master
        assert one.role == "master" or parent(one.pid) == host.pid


def test_http_workers_share_the_socket_and_cron_workers_do_not(
    server: PostgresServer, start_standin: StartStandin
) -> None:
    host = start_standin(db_port=server.port, workers=2, max_cron_threads=1)
    http = listening_inode(host.settings.http_port)
    websockets = listening_inode(host.settings.gevent_port)
    assert http in sockets(host.pid)
    for one in host.processes():
        held = sockets(one.pid)
        assert (http in held) == (one.role in ("master", "http_worker")), one
        assert (websockets in held) == (one.role == "gevent"), one
    (cron,) = host.processes("cron_worker")
    assert len(sockets(cron.pid)) == 1, "its LISTEN session only"


def test_threaded_is_one_process(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=0)
    assert [(one.pid, one.role) for one in host.processes()] == [(host.pid, "threaded")]
    assert "--workers=0" in command_line(host.pid)
    assert listening_inode(host.settings.http_port) in sockets(host.pid)


def test_the_files_of_a_host(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(odoo_version=17, db_port=server.port, db_maxconn=8)
    conf = host.conf_file.read_text()
    assert conf.startswith("[options]\n")
    assert f"db_port = {server.port}\n" in conf
    assert "db_maxconn = 8\n" in conf
    release: dict[str, object] = {}
    exec((host.home / "odoo" / "release.py").read_text(), release)
    assert release["version_info"] == (17, 0, 0, "final", 0, "")


def test_a_killed_worker_is_replaced_and_its_running_statement_is_orphaned(
    server: PostgresServer, start_standin: StartStandin
) -> None:
    host = start_standin(db_port=server.port, workers=2, max_cron_threads=1)
    (busy,) = host.begin(1, "prod", options=RequestOptions(running="SELECT pg_sleep(600)"))
    until(lambda: states(server, "prod")["active", "SELECT pg_sleep(600)"] == 1)
    host.kill(busy.pid)
    assert not alive(busy.pid)
    assert len(host.processes("http_worker")) == 2
    assert states(server, "prod")["active", "SELECT pg_sleep(600)"] == 1
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%(600)'")


def test_a_cron_worker_whose_session_is_ended_is_replaced(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=1)
    (before,) = host.processes("cron_worker")
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'odoo'")
    after = until(lambda: [one for one in host.processes("cron_worker") if one.pid != before.pid])
    until(lambda: applications(server, "postgres") == {f"odoo-{after[0].pid}": 1})


# --- sessions


def test_workers_hold_nothing_until_their_first_request(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=4, db_name=("prod",))
    crons = {f"odoo-{one.pid}": 1 for one in host.processes("cron_worker")}
    until(lambda: applications(server, "postgres") == crons)
    assert states(server, "postgres") == {("idle", "COMMIT"): 2}
    assert not applications(server, "prod")


def test_preloaded_sessions_carry_the_masters_pid_which_holds_none(
    server: PostgresServer, start_standin: StartStandin
) -> None:
    host = start_standin(db_port=server.port, workers=2, max_cron_threads=1, db_name=("prod",))
    host.serve(2, "prod")
    assert applications(server, "prod") == {f"odoo-{host.pid}": 2}
    held = [host.condition(one.pid).pool_count for one in host.processes("http_worker")]
    assert held == [1, 1]


def test_not_preloaded_each_carries_its_own(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=2, max_cron_threads=1)
    host.serve(2, "prod")
    assert applications(server, "prod") == {f"odoo-{one.pid}": 1 for one in host.processes("http_worker")}


@pytest.mark.parametrize(
    ("version", "begin"), [(17, "BEGIN ISOLATION LEVEL REPEATABLE READ"), (18, BEGIN_18), (19, BEGIN_18)]
)
def test_the_texts_that_the_server_logs(
    start_postgres: StartPostgres, start_standin: StartStandin, version: int, begin: str
) -> None:
    server = start_postgres(15, {"log_statement": "all", "log_line_prefix": "%u@%d:"})
    create_odoo(server, ["prod"])
    host = start_standin(odoo_version=version, db_port=server.port, workers=1, max_cron_threads=0, db_name=("prod",))
    before = len(server.log_text())
    host.serve(2, "prod")
    said = [line.partition("statement: ")[2] for line in server.log_text()[before:].splitlines() if "odoo@prod" in line]
    assert {begin, "DISCARD ALL", "COMMIT"} <= set(said)
    assert [text for text in said if text.startswith("BEGIN") and text != begin] == []
    # Each further borrow begins with DISCARD ALL, and no transaction opens before the first statement.
    for number, text in enumerate(said):
        if text == "DISCARD ALL":
            assert said[number - 1] in ("COMMIT", "ROLLBACK")
            assert said[number + 1] == begin


def test_a_running_job_is_idle_in_transaction_by_design(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=2, db_name=("prod",))
    job = host.begin_scheduled_action("prod", running="SELECT pg_sleep(600)")
    seen = until(lambda: states(server, "prod") if ("active", "SELECT pg_sleep(600)") in states(server, "prod") else {})
    ((lock, count),) = [(query, n) for (state, query), n in seen.items() if state == "idle in transaction"]
    assert count == 1
    assert "FROM ir_cron" in lock and "FOR NO KEY UPDATE SKIP LOCKED" in lock
    assert seen["idle", "ROLLBACK"] == 1, "check_signaling's"
    assert applications(server, "prod") == {f"odoo-{job.pid}": 1, f"odoo-{host.pid}": 2}
    host.finish(job)
    until(lambda: {state for state, _ in states(server, "prod")} == {"idle"})
    assert sum(applications(server, "prod").values()) == 3


def test_two_workers_never_run_the_same_job(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=2)
    first = host.begin_scheduled_action("prod", worker=0)
    second = host.begin_scheduled_action("prod", worker=1)
    assert first.held and second.held
    locks = [s for s in odoo_sessions(server) if "SKIP LOCKED" in s.query]
    assert len(locks) == 2


def test_several_databases_in_db_name_escape_close_db(server: PostgresServer, start_standin: StartStandin) -> None:
    """close_db compares this process's own application_name: what a preloaded registry opened is missed."""
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=1, db_name=("prod", "test"))
    host.run_scheduled_action("prod")
    until(lambda: applications(server, "prod") == {f"odoo-{host.pid}": 2})


def test_a_websocket_makes_the_gevent_process_listen(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=0, db_name=("prod",))
    (gevent,) = host.processes("gevent")
    assert not odoo_sessions(server)
    host.open_websocket("prod", count=3)
    mine = f"odoo-{gevent.pid}"
    assert (applications(server, "prod"), applications(server, "postgres")) == ({mine: 1}, {mine: 1})
    burst = host.begin_delivery("prod")
    assert applications(server, "prod") == {mine: 3}
    host.finish(burst)
    assert applications(server, "prod") == {mine: 3}


def test_a_burst_ends_at_the_pools_limit(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=0, db_maxconn_gevent=4)
    host.open_websocket("prod", count=9)
    host.begin_delivery("prod")
    assert sum(applications(server, "prod").values()) == 3, "the fourth is the LISTEN session"


def test_notifications_reach_the_listeners(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=2)
    host.open_websocket("prod")
    host.serve(3, "prod", options=RequestOptions(notifies_bus=True, triggers_cron=True))
    until(lambda: host.notifications("imbus") == 3)
    until(lambda: host.notifications("cron_trigger") == 6)


def test_leaks_of_both_kinds(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=2, max_cron_threads=0)
    outcome = host.leak("prod", cursors=3, raw=2, worker=1)
    assert outcome.pid == host.processes("http_worker")[1].pid
    assert applications(server, "prod") == {f"odoo-{outcome.pid}": 3, "": 2}
    assert {state for state, _ in states(server, "prod")} == {"idle in transaction"}
    assert len(sockets(outcome.pid)) == 1 + 5
    assert host.condition(outcome.pid).pool_used == 3, "the raw ones are not in the pool"


def test_a_unix_domain_socket_has_no_port(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(
        db_host=str(server.socket_dir), db_port=server.port, workers=2, max_cron_threads=1, db_name=("prod",)
    )
    host.serve(2, "prod")
    assert Counter(s.client_port for s in odoo_sessions(server)) == {-1: 3}


@pytest.mark.parametrize(("version", "state"), [(17, "idle in transaction"), (18, "idle in transaction"), (19, "idle")])
def test_a_shell(server: PostgresServer, start_standin: StartStandin, version: int, state: str) -> None:
    host = start_standin(odoo_version=version, db_port=server.port, workers=1, max_cron_threads=0)
    pid = host.open_shell("prod")
    assert command_line(pid)[2] == "shell"
    assert [(s.application, s.state) for s in odoo_sessions(server)] == [(f"odoo-{pid}", state)]
    host.close_shell(pid)
    assert not alive(pid)


def test_queue_job_holds_a_session_for_each_database(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=0, queue_job=True)
    (runner,) = host.processes("queue_job")
    wanted = {("prod", f"odoo-{runner.pid}"), ("test", f"odoo-{runner.pid}")}
    until(lambda: {(s.database, s.application) for s in odoo_sessions(server)} == wanted)
    with psycopg.connect(server.dsn("odoo", "test"), autocommit=True) as connection:
        connection.execute("NOTIFY queue_job, 'a job'")
    until(lambda: host.notifications("queue_job") == 1)


def test_a_replica_gets_the_read_only_pool(
    server: PostgresServer, start_postgres: StartPostgres, start_standin: StartStandin
) -> None:
    replica = start_postgres(15)
    create_odoo(replica, ["prod"])

    def with_replica(version: int) -> StandinHost:
        return start_standin(
            odoo_version=version,
            db_port=server.port,
            workers=1,
            max_cron_threads=0,
            db_replica_host="127.0.0.1",
            db_replica_port=replica.port,
        )

    host = with_replica(18)
    host.serve(1, "prod")
    assert not odoo_sessions(replica), "18: a route that may write stays on the primary"
    host.serve(1, "prod", options=RequestOptions(read_only_route=True))
    assert (len(odoo_sessions(server)), len(odoo_sessions(replica))) == (1, 1)
    host.stop()
    until(lambda: not odoo_sessions(replica) and not odoo_sessions(server))
    with_replica(19).serve(1, "prod")
    assert (len(odoo_sessions(server)), len(odoo_sessions(replica))) == (1, 1)


# --- limits and time


def test_at_db_maxconn_the_oldest_database_goes(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=0, db_maxconn=1)
    host.serve(1, "prod")
    host.serve(1, "test")
    until(lambda: [s.database for s in odoo_sessions(server)] == ["test"])


def test_all_borrowed_is_a_pool_error_and_is_logged(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=0, max_cron_threads=0, db_maxconn=2)
    outcomes = host.begin(3, "prod")
    assert [one.error_kind for one in outcomes] == [None, None, "pool_full"]
    assert outcomes[2].error == "The Connection Pool Is Full"
    assert "psycopg2.pool.PoolError: The Connection Pool Is Full" in host.log_file.read_text()


def test_time_alone_closes_nothing(server: PostgresServer, start_standin: StartStandin) -> None:
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=0)
    host.serve(1, "prod")
    host.let_time_pass(10_000)
    assert len(odoo_sessions(server)) == 1
    host.serve(1, "test")
    until(lambda: [s.database for s in odoo_sessions(server)] == ["test"])


@pytest.mark.parametrize("version", [17, 18, 19])
def test_the_last_slot(start_postgres: StartPostgres, start_standin: StartStandin, version: int) -> None:
    server = start_postgres(15, {"max_connections": "8", "superuser_reserved_connections": "3"})
    create_odoo(server, ["prod"])
    host = start_standin(odoo_version=version, db_port=server.port, workers=6, max_cron_threads=1, db_name=("prod",))
    outcomes = host.begin(6, "prod")
    refused = [one for one in outcomes if not one.served]
    assert len(refused) == 2, "8 slots, 3 reserved, 1 LISTEN, 4 requests"
    assert {one.error_kind for one in refused} == {"refused"}
    assert all(one.error and "remaining connection slots are reserved" in one.error for one in refused)
    log = host.log_file.read_text()
    assert log.count("INFO ? odoo.sql_db: Connection to the database failed") == 2
    assert log.count("psycopg2.OperationalError: connection to server") == (0 if version == 17 else 2)
    for one in outcomes:
        host.finish(one)
    served = {one.pid for one in outcomes if one.served}
    assert {one.pid for one in host.serve(6, "prod") if one.served} == served, "what a worker holds stays its own"


def test_no_slot_for_the_start_is_an_error_with_the_servers_words(
    start_postgres: StartPostgres, start_standin: StartStandin
) -> None:
    server = start_postgres(15, {"max_connections": "5", "superuser_reserved_connections": "3"})
    create_odoo(server, ["prod"])
    with pytest.raises(OperatorError, match="remaining connection slots"):
        start_standin(db_port=server.port, workers=1, max_cron_threads=3)


@pytest.mark.parametrize(
    ("version", "kind", "alone", "kept"),
    [
        (17, "login", True, 2),
        (18, "login", True, 2),
        (19, "login", True, 1),
        (17, "login", False, 1),
        (18, "login", False, 1),
        (19, "login", False, 1),
        (17, "rpc", True, 2),
        (18, "rpc", True, 2),
        (19, "rpc", True, 2),
        (17, "rpc", False, 1),
        (18, "rpc", False, 1),
        (19, "rpc", False, 1),
        (18, "page", True, 1),
    ],
)
def test_one_or_two_per_database(
    server: PostgresServer, start_standin: StartStandin, version: int, kind: str, alone: bool, kept: int
) -> None:
    """docs/model-connections-per-worker.md: two when the request already has its database. The server offers two."""
    host = start_standin(
        odoo_version=version,
        db_port=server.port,
        workers=1,
        max_cron_threads=0,
        db_name=("prod",) if alone else (),
    )
    host.serve(1, "prod", kind=kind)  # type: ignore[arg-type]
    assert sum(applications(server, "prod").values()) == kept


@pytest.mark.parametrize("version", [17, 18, 19])
def test_a_cleared_cache_makes_it_two(server: PostgresServer, start_standin: StartStandin, version: int) -> None:
    host = start_standin(odoo_version=version, db_port=server.port, workers=1, max_cron_threads=0)
    host.serve(1, "prod", options=RequestOptions(clears_cache=True))
    assert sum(applications(server, "prod").values()) == 2


def test_without_tables_nothing_is_touched(start_postgres: StartPostgres, start_standin: StartStandin) -> None:
    server = start_postgres(15)
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE odoo LOGIN")
        connection.execute("CREATE DATABASE empty OWNER odoo")
    host = start_standin(db_port=server.port, workers=1, max_cron_threads=1, db_name=("empty",), uses_tables=False)
    assert host.serve(2, "empty", kind="login", options=RequestOptions(writes=True))[1].served
    assert host.run_scheduled_action("empty").served
    assert host.leak("empty", cursors=1, raw=1).served
    assert host.open_websocket("empty").served
    with psycopg.connect(server.dsn(dbname="empty")) as connection:
        assert connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 2200").fetchone() == (0,)
