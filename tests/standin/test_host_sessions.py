"""A stand-in's sessions as pg_stat_activity shows them. The topologies are those of recorded real hosts."""

from __future__ import annotations

from collections import Counter

import psycopg
import pytest

from slotwise.demo.postgres_server import PostgresServer
from slotwise.standin.flows import RequestOptions
from slotwise.standin.host import StandinHost
from tests.conftest import StartPostgres, StartStandin
from tests.servers import alive, create_odoo, odoo_sessions, until
from tests.standin.looking import applications, command_line, sockets, states

BEGIN_18 = "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE"


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
