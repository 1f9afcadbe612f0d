from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from slotwise.collectors.runner import Request
from slotwise.demo.postgres_server import PostgresServer
from slotwise.errors import OperatorError
from slotwise.history.sample import round_of
from slotwise.history.sampler import Sampler
from slotwise.snapshot.postgres import Activity
from slotwise.snapshot.round import Round
from tests.conftest import StartPgBouncer, StartPostgres


def sampler_of(server: PostgresServer, timeout_seconds: float = 5.0, user: str = "postgres") -> Sampler:
    dsn = f"host=127.0.0.1 port={server.port} user={user} dbname=postgres"
    return Sampler(Request(dsn=dsn, timeout_seconds=timeout_seconds), 10.0)


def until(look: Callable[[], Round], good: Callable[[Round], bool], seconds: float = 40.0) -> Round:
    end = time.monotonic() + seconds
    while True:
        round_ = look()
        if good(round_):
            return round_
        assert time.monotonic() < end, round_


@contextmanager
def sessions_of(server: PostgresServer, count: int, user: str = "postgres") -> Iterator[None]:
    with ExitStack() as open_:
        for _ in range(count):
            open_.enter_context(
                psycopg.connect(host="127.0.0.1", port=server.port, user=user, dbname="postgres", autocommit=True)
            )
        yield


def own_backends(server: PostgresServer) -> list[int]:
    with psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="postgres") as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'slotwise'"
        return [row[0] for row in connection.execute(query)]


def test_every_round_asks_over_the_same_single_connection(start_postgres: StartPostgres) -> None:
    server = start_postgres()
    with sampler_of(server) as sampler:
        pids = set()
        for count in (0, 3, 7):
            with sessions_of(server, count):
                snapshot = sampler.look()
                assert isinstance(snapshot.activity, Activity)
                pids.add(snapshot.activity.own_pid)
                assert round_of(snapshot).used == count + 1
        assert len(pids) == 1
        assert own_backends(server) == list(pids)


def test_a_new_database_is_named_at_once(start_postgres: StartPostgres) -> None:
    server = start_postgres()
    with sampler_of(server) as sampler:
        sampler.look()
        with psycopg.connect(
            host="127.0.0.1", port=server.port, user="postgres", dbname="postgres", autocommit=True
        ) as c:
            c.execute("CREATE DATABASE born_later")
        with psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="born_later"):
            assert "born_later" in {h.database for h in round_of(sampler.look()).holders}


def test_a_full_server_does_not_blind_it(start_postgres: StartPostgres) -> None:
    server = start_postgres(15, {"max_connections": "10", "superuser_reserved_connections": "2"})
    with psycopg.connect(host="127.0.0.1", port=server.port, user="postgres", dbname="postgres", autocommit=True) as c:
        c.execute("CREATE ROLE plain LOGIN IN ROLE pg_monitor")
    with sampler_of(server, user="plain") as sampler:
        sampler.look()
        with sessions_of(server, 7, "plain"):
            with pytest.raises(psycopg.OperationalError), sessions_of(server, 1, "plain"):
                pass
            full = round_of(sampler.look())
            assert (full.used, full.usable, full.gap) == (8, 8, None)


def test_a_superuser_does_not_stay_in_the_reserve(start_postgres: StartPostgres) -> None:
    server = start_postgres(15, {"max_connections": "10", "superuser_reserved_connections": "2"})
    with psycopg.connect(server.dsn(), autocommit=True) as c:
        c.execute("CREATE ROLE plain LOGIN")
    with ExitStack() as full:
        full.enter_context(sessions_of(server, 8, "plain"))
        with sampler_of(server) as sampler:
            # Both of the reserve are free for two people who come to help.
            first = sampler.look()
            assert isinstance(first.activity, Activity) and round_of(first).used == 9
            assert own_backends(server) == []
            again = sampler.look()
            assert not isinstance(again.activity, Activity) and "kept for superusers" in again.activity.reason
            assert round_of(again).used == 8 and round_of(again).holders


def test_the_detour_into_the_reserve_is_not_kept_either(start_postgres: StartPostgres) -> None:
    """Where the role of --dsn finds the server full, root looks by the superusers' way in, and leaves again."""
    server = start_postgres(15, {"max_connections": "10", "superuser_reserved_connections": "2"})
    with psycopg.connect(server.dsn(), autocommit=True) as c:
        c.execute("CREATE ROLE plain LOGIN IN ROLE pg_monitor")
    with ExitStack() as full:
        full.enter_context(sessions_of(server, 8, "plain"))
        with sampler_of(server, user="plain") as sampler:
            for _ in range(2):
                assert round_of(sampler.look()).used in (8, 9)
                assert own_backends(server) == []
            full.close()
            until(lambda: round_of(sampler.look()), lambda r: r.used == 1)
            assert len(own_backends(server)) == 1


def test_until_it_is_known_which_server_is_meant_no_other_one_is_counted(
    start_postgres: StartPostgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The holder of the connection is slow to begin: nothing is known of the server that it will reach."""
    server = start_postgres()
    slow = tmp_path / "slow"
    slow.write_text(f'#!/bin/sh\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.05; done\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setattr("slotwise.collectors.held_connections.sys.executable", str(slow))
    with sessions_of(server, 5), sampler_of(server, timeout_seconds=1.0) as sampler:
        for _ in range(2):
            unknown = round_of(sampler.look())
            assert (unknown.used, unknown.usable, unknown.holders) == (None, None, ()) and unknown.gap
        (tmp_path / "go").touch()
        assert until(lambda: round_of(sampler.look()), lambda r: r.gap is None).used == 6


def test_it_outlives_restarts_and_says_when_there_was_no_server(start_postgres: StartPostgres) -> None:
    server = start_postgres()
    with sampler_of(server) as sampler:
        before = round_of(sampler.look())
        server.stop("fast")
        gap = round_of(sampler.look())
        assert gap.used is None and gap.gap
        server.start()
        after = until(lambda: round_of(sampler.look()), lambda r: r.server_started_at is not None)
        assert after.server_started_at is not None and before.server_started_at is not None
        assert after.server_started_at > before.server_started_at
        assert len(own_backends(server)) == 1


def test_a_frozen_server_is_a_gap_and_no_second_connection(start_postgres: StartPostgres) -> None:
    server = start_postgres()
    with sampler_of(server, timeout_seconds=1.5) as sampler:
        first = sampler.look()
        assert isinstance(first.activity, Activity) and first.activity.own_pid is not None

        os.kill(first.activity.own_pid, signal.SIGSTOP)
        try:
            for _ in range(2):
                frozen = sampler.look()
                assert not isinstance(frozen.activity, Activity)
                assert "then said nothing" in frozen.activity.reason
            assert own_backends(server) == [first.activity.own_pid]
        finally:
            os.kill(first.activity.own_pid, signal.SIGCONT)
        thawed = until(lambda: round_of(sampler.look()), lambda r: r.gap is None)
        assert thawed.used == 1
        assert own_backends(server) == [first.activity.own_pid]


def test_pgbouncer_is_looked_at_too_and_may_restart(
    start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer
) -> None:
    server = start_postgres()
    bouncer = start_pgbouncer({"*": f"host=127.0.0.1 port={server.port}"})
    request = Request(
        dsn=f"host=127.0.0.1 port={server.port} user=postgres dbname=postgres",
        pgbouncer_dsns=(f"host=127.0.0.1 port={bouncer.port} user=postgres",),
    )
    with (
        Sampler(request, 10.0) as sampler,
        psycopg.connect(host="127.0.0.1", port=bouncer.port, user="postgres", dbname="postgres"),
    ):
        assert {p.database for p in round_of(sampler.look()).pools} == {"postgres"}
        bouncer.stop()
        gone = round_of(sampler.look())
        assert gone.pools == () and gone.used is not None
        bouncer.start()
        with psycopg.connect(host="127.0.0.1", port=bouncer.port, user="postgres", dbname="postgres"):
            back = until(lambda: round_of(sampler.look()), lambda r: bool(r.pools))
            assert back.pools[0].cl_active == 1


def test_too_many_open_files_are_a_gap_and_pass(start_postgres: StartPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start_postgres()
    request = Request(dsn=f"host=127.0.0.1 port={server.port} user=postgres dbname=postgres")
    with Sampler(request, 1.0) as sampler:
        assert round_of(sampler.look()).used is not None
        with monkeypatch.context() as broken:
            broken.setattr("selectors.DefaultSelector", _no_more_files)
            gone = round_of(sampler.look())
        assert gone.used is None and gone.gap is not None and "Too many open files" in gone.gap
        assert round_of(sampler.look()).used is not None


def _no_more_files() -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_wrong_request_is_said_at_once_and_leaves_no_process(tmp_path: Path) -> None:
    with Sampler(Request(dsn="host=x port=notaport"), 1.0) as sampler:
        with pytest.raises(OperatorError):
            sampler.look()
        pids = sampler._connections.pids
    assert all(not Path(f"/proc/{pid}").exists() for pid in pids)


def test_rounds_come_until_it_is_stopped(start_postgres: StartPostgres) -> None:
    server = start_postgres()
    with Sampler(Request(dsn=f"host=127.0.0.1 port={server.port} user=postgres dbname=postgres"), 0.6) as sampler:
        seen = []
        for snapshot in sampler:
            seen.append(snapshot.taken_at)
            if len(seen) == 3:
                sampler.stop()
    assert len(seen) == 3 and seen == sorted(seen)
