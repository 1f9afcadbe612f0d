"""A stand-in's processes as /proc shows them, and how they are replaced. The shapes are those of real hosts."""

from __future__ import annotations

from collections import Counter

import psycopg

from slotwise.demo.postgres_server import PostgresServer
from slotwise.standin.flows import RequestOptions
from tests.conftest import StartStandin
from tests.servers import alive, until
from tests.standin.looking import applications, command_line, listening_inode, parent, sockets, states


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
