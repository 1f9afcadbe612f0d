"""The screen over a real server that restarts, fills, freezes, and a PgBouncer that goes away: it goes on by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
from textual.pilot import Pilot

from slotwise.collectors.runner import Request
from slotwise.commands.watch_process import LiveFeed
from slotwise.demo.postgres_server import PostgresServer
from tests.conftest import StartPgBouncer, StartPostgres
from tests.servers import create_odoo
from tests.tui.test_app import run
from tests.tui.watched import until, words


@contextmanager
def frozen(server: PostgresServer) -> Iterator[None]:
    """The postmaster and everything it started stand still."""
    os.kill(server.pid, signal.SIGSTOP)  # From now on it starts none; one may still end.
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    pids = [server.pid, *map(int, children)]
    try:
        for pid in pids:
            _send(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            _send(pid, signal.SIGCONT)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def test_a_restart_a_full_server_and_a_frozen_one(start_postgres: StartPostgres) -> None:
    server = start_postgres(15, {"max_connections": "20"})
    create_odoo(server)
    feed = LiveFeed(Request(dsn=server.dsn("odoo", "prod"), timeout_seconds=2.0))
    answers = f"PostgreSQL 15 at 127.0.0.1:{server.port}"

    async def steps(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: answers in words(pilot))
        server.stop("immediate")
        await until(pilot, lambda: "slots are not known" in words(pilot) and answers not in words(pilot))
        server.start()
        await until(pilot, lambda: answers in words(pilot) and "slots are not known" not in words(pilot))
        with ExitStack() as held:
            for _ in range(16):  # 20 less 3 for superusers less the one that looks
                held.enter_context(psycopg.connect(server.dsn("odoo", "prod")))
            await until(pilot, lambda: "the last slot is gone" in words(pilot))
            assert answers in words(pilot)
            await until(pilot, lambda: "SW201" in words(pilot))
        await until(pilot, lambda: "the last slot is gone" not in words(pilot))
        assert answers in words(pilot)
        with frozen(server):
            await until(pilot, lambda: "did not answer" in words(pilot))
        await until(pilot, lambda: answers in words(pilot))

    try:
        run(feed, steps)
    finally:
        feed.close()


def test_a_pgbouncer_that_goes_away_is_said_and_found_again(
    start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer
) -> None:
    server = start_postgres(15)
    create_odoo(server)
    bouncer = start_pgbouncer({"prod": f"host=127.0.0.1 port={server.port} dbname=prod"})
    feed = LiveFeed(Request(dsn=server.dsn(), pgbouncer_dsns=(bouncer.dsn("postgres"),), timeout_seconds=2.0))

    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press("3")
        with psycopg.connect(bouncer.dsn("odoo", "prod")):
            await until(pilot, lambda: "prod " in words(pilot) and "maxwait" in words(pilot))
        bouncer.stop()
        await until(pilot, lambda: "PgBouncer admin console" in words(pilot))
        assert "slots are not known" not in words(pilot)
        bouncer.start()
        with psycopg.connect(bouncer.dsn("odoo", "prod")):
            await until(pilot, lambda: "PgBouncer admin console" not in words(pilot) and "prod " in words(pilot))

    try:
        run(feed, steps)
    finally:
        feed.close()
