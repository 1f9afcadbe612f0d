"""How an instance reaches PostgreSQL: the best evidence first, and *unknown* rather than a guess."""

from __future__ import annotations

import pytest
from msgspec import structs

from slotwise.capacity.routes import Route, routes
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import OptionValue
from slotwise.snapshot.pgbouncer import PoolClient
from slotwise.snapshot.processes import Processes, Sockets, TcpSocket
from tests.build import FIRST_HTTP, backend, behind, host, pgbouncer, topology


def _route(snapshot: Snapshot) -> Route:
    found = routes(snapshot)
    assert not isinstance(found, Unavailable)
    return found.routes[0]


def _unseen(name: str | None = "odoo-100", database: str = "prod", **options: OptionValue) -> Snapshot:
    """Odoo in a container: its sessions come from an address that this host does not know."""
    held = [(None, backend(1000 + n, database, addr="172.18.0.3", application_name=name)) for n in range(3)]
    return host(held, options={"db_host": "db", **options})


def test_sessions_of_its_own_processes_mean_direct() -> None:
    assert _route(host()).kind == "direct"
    assert _route(behind(host(), pgbouncer())).kind == "direct"


def test_raw_connections_of_an_addon_prove_nothing_about_the_pool() -> None:
    raw = host([(FIRST_HTTP, backend(1000, application_name=""))], options={"db_port": 6432})
    assert _route(behind(raw, pgbouncer())).kind == "pgbouncer"


def test_clients_of_a_console_come_before_addresses() -> None:
    snapshot = host([], options={"db_host": "pooler.example", "db_port": 7777})
    assert isinstance(snapshot.processes, Processes)
    processes = tuple(
        structs.replace(p, inodes=(4711,)) if p.pid == FIRST_HTTP else p for p in snapshot.processes.processes
    )
    end = TcpSocket("127.0.0.1", 50000, "127.0.0.1", 6432, "ESTABLISHED", 4711)
    client = PoolClient("prod", "odoo", "active", "127.0.0.1", 50000, "127.0.0.1", 6432, "0x1", "")
    snapshot = structs.replace(
        snapshot,
        processes=structs.replace(snapshot.processes, processes=processes),
        sockets=Sockets((end,), (), True, ("127.0.0.1",)),
    )
    found = _route(behind(snapshot, structs.replace(pgbouncer(), clients=(client,))))
    assert (found.kind, found.pgbouncer) == ("pgbouncer", "127.0.0.1:6432")


def test_db_host_and_db_port_of_a_console() -> None:
    assert _route(behind(host([], options={"db_port": 6432}), pgbouncer())).pgbouncer == "127.0.0.1:6432"
    away = host([], options={"db_host": "10.0.0.7", "db_port": 6432})
    assert _route(behind(away, pgbouncer())).kind == "unknown"
    listens = structs.replace(pgbouncer(), config={**pgbouncer().config, "listen_addr": "127.0.0.1, 10.0.0.7"})
    assert _route(behind(away, listens)).kind == "pgbouncer"


def test_a_pgbouncer_process_that_holds_the_sessions() -> None:
    held = [(60, backend(1000 + n, application_name="")) for n in range(2)]
    found = _route(host(held, roles={**topology(), 60: "pgbouncer"}, options={"db_port": 6432}))
    assert (found.kind, found.pgbouncer) == ("pgbouncer", None)


def test_sockets_that_end_at_a_pgbouncer_process() -> None:
    snapshot = host([], roles={**topology(), 60: "pgbouncer"}, options={"db_port": 6432})
    assert isinstance(snapshot.processes, Processes)
    inodes = {FIRST_HTTP: (1,), 60: (2,)}
    processes = tuple(structs.replace(p, inodes=inodes.get(p.pid, ())) for p in snapshot.processes.processes)
    ends = (
        TcpSocket("127.0.0.1", 50000, "127.0.0.1", 6432, "ESTABLISHED", 1),
        TcpSocket("127.0.0.1", 6432, "127.0.0.1", 50000, "ESTABLISHED", 2),
    )
    snapshot = structs.replace(
        snapshot,
        processes=structs.replace(snapshot.processes, processes=processes),
        sockets=Sockets(ends, (), True, ("127.0.0.1",)),
    )
    assert _route(snapshot).kind == "pgbouncer"


def test_names_that_a_pooler_would_have_lost_mean_direct() -> None:
    assert _route(_unseen()).kind == "direct"
    assert _route(_unseen(name="")).kind == "unknown"
    assert _route(_unseen(database="postgres")).kind == "unknown"
    assert _route(_unseen(db_port=6432)).kind == "unknown"


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, "direct"),
        ({"db_host": False, "db_port": False}, "direct"),
        ({"db_host": "/var/run/postgresql"}, "direct"),
        ({"db_host": "localhost", "db_port": 5433}, "unknown"),
        ({"db_host": "db.example"}, "unknown"),
        ({"db_port": 6432}, "unknown"),
    ],
)
def test_as_configured_where_nothing_else_shows(options: dict[str, OptionValue], kind: str) -> None:
    assert _route(host([], options=options)).kind == kind


def test_the_remote_server_that_was_looked_at() -> None:
    snapshot = host([], options={"db_host": "db.example", "db_port": 5432})
    assert not isinstance(snapshot.server, Unavailable)
    at = structs.replace(snapshot.server, address="db.example:5432")
    assert _route(structs.replace(snapshot, server=at)).kind == "direct"
    pooled = host([], options={"db_host": "db.example", "db_port": 6432})
    at = structs.replace(at, address="db.example:6432")
    assert _route(structs.replace(pooled, server=at)).kind == "unknown", "that may be a pooler as well"


def test_without_configuration_no_way_is_known() -> None:
    gap = Unavailable("Odoo", "not found", "name it")
    assert routes(structs.replace(host(), odoo=gap)) == gap
