"""The stand-in behind a real PgBouncer: what the server then sees, and which notifications arrive.

Measured on real Odoo 17, 18 and 19 behind PgBouncer 1.18: with every database in transaction mode no message reached
an open browser, without any error; with ``postgres`` in session mode all did.
"""

from __future__ import annotations

from collections import Counter

import pytest

from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.demo.postgres_server import PostgresServer
from slotwise.standin.flows import RequestOptions
from slotwise.standin.host import StandinHost
from tests.conftest import StartPgBouncer, StartStandin
from tests.servers import odoo_sessions, until

THREE_MESSAGES = RequestOptions(notifies_bus=True)


def pooled(
    server: PostgresServer, start_pgbouncer: StartPgBouncer, *, postgres_in_session: bool, **settings: str
) -> PgBouncerServer:
    to = f"host=127.0.0.1 port={server.port}"
    databases = {"postgres": f"{to} pool_mode=session"} if postgres_in_session else {}
    return start_pgbouncer({**databases, "*": to}, {"pool_mode": "transaction", **settings})


def browse(host: StandinHost) -> None:
    """A browser is open, and three messages are posted."""
    assert host.open_websocket("prod").served
    assert all(one.served for one in host.serve(3, "prod", options=THREE_MESSAGES))


@pytest.mark.parametrize("version", [17, 18, 19])
def test_transaction_mode_loses_every_notification(
    server: PostgresServer, start_pgbouncer: StartPgBouncer, start_standin: StartStandin, version: int
) -> None:
    bouncer = pooled(server, start_pgbouncer, postgres_in_session=False)
    host = start_standin(odoo_version=version, db_port=bouncer.port, workers=2, max_cron_threads=1)
    browse(host)
    # Something that did arrive would be there before the answer to a further request.
    host.serve(2, "prod")
    assert host.notifications("imbus") == 0


@pytest.mark.parametrize("version", [17, 18, 19])
def test_postgres_in_session_mode_delivers_all(
    server: PostgresServer, start_pgbouncer: StartPgBouncer, start_standin: StartStandin, version: int
) -> None:
    bouncer = pooled(server, start_pgbouncer, postgres_in_session=True)
    host = start_standin(odoo_version=version, db_port=bouncer.port, workers=2, max_cron_threads=1)
    browse(host)
    until(lambda: host.notifications("imbus") == 3)


def test_few_server_sessions_for_many_workers_and_their_names_are_lost(
    server: PostgresServer, start_pgbouncer: StartPgBouncer, start_standin: StartStandin
) -> None:
    bouncer = pooled(server, start_pgbouncer, postgres_in_session=True, default_pool_size="3")
    host = start_standin(db_port=bouncer.port, workers=8, max_cron_threads=1)
    host.serve(16, "prod", concurrent=1)
    names = Counter(one.application for one in odoo_sessions(server) if one.database == "prod")
    assert sum(names.values()) <= 3
    assert set(names) == {""}, "after DISCARD ALL (facts of PgBouncer 1.18: server.c load_parameter)"


def test_more_transactions_than_server_sessions_wait(
    server: PostgresServer, start_pgbouncer: StartPgBouncer, start_standin: StartStandin
) -> None:
    bouncer = pooled(server, start_pgbouncer, postgres_in_session=True, default_pool_size="2")
    host = start_standin(db_port=bouncer.port, workers=3, max_cron_threads=0)
    first, second = host.begin(2, "prod")
    waiting = host.send_requests(1, "prod")
    host.finish(first)
    (third,) = host.answers(waiting)
    assert third.served
    for one in (second, third):
        host.finish(one)
