from __future__ import annotations

import pytest

from slotwise.collectors.discovery import (
    Client,
    Pooler,
    Surroundings,
    is_local,
    plan_for_address,
    plan_for_clients,
    pooler_at,
    reserve_targets,
)
from slotwise.collectors.pg_target import OsUser
from slotwise.collectors.pgbouncer_ini import parse_pgbouncer_ini
from slotwise.snapshot.processes import Postmaster

POSTGRES = OsUser("postgres", 101, 104, "/var/lib/postgresql")
ODOO = OsUser("odoo", 110, 110, "/var/lib/odoo")
SERVER = Postmaster(50, 5432, "/var/lib/postgresql/15/main", ("/run/postgresql",), (), 0)
CLIENT = Client("/etc/odoo/odoo.conf", None, None, "odoo", "geheim", databases=("prod",), os_user=ODOO, pids=7)
INI = "[databases]\npostgres = host=10.0.0.5 port=5433 pool_mode=session\n* = host=10.0.0.6 port=5434\n"


def here(*poolers: Pooler, root: bool = True, servers: tuple[Postmaster, ...] = (SERVER,)) -> Surroundings:
    owners = {s.pid: POSTGRES for s in servers}
    return Surroundings(servers, owners, poolers, ("192.168.1.9",), root)


def pooler(ini: str | None = INI) -> Pooler:
    parsed = None if ini is None else parse_pgbouncer_ini(ini, lambda _: None)
    return Pooler(60, (6432,), ("/run/postgresql/.s.PGSQL.6432",), POSTGRES, "/etc/pgbouncer/pgbouncer.ini", parsed)


def parameters(*clients: Client, around: Surroundings | None = None) -> dict[str, str]:
    plan = plan_for_clients(clients, around or here())
    assert plan.target is not None
    return dict(plan.target.parameters)


def changed(**changes: object) -> Client:
    import msgspec

    return msgspec.structs.replace(CLIENT, **changes)


def test_without_a_host_odoo_uses_the_socket_as_its_own_os_user() -> None:
    plan = plan_for_clients([CLIENT], here())
    assert plan.target is not None and plan.target.run_as == ODOO
    assert plan.target.parameters == {
        "host": "/run/postgresql",
        "port": "5432",
        "user": "odoo",
        "password": "geheim",
        "dbname": "postgres",
    }
    assert plan.target.fallback_databases == ("prod",)
    assert plan.server == 50


def test_nobody_but_root_changes_the_os_user() -> None:
    plan = plan_for_clients([CLIENT], here(root=False))
    assert plan.target is not None and plan.target.run_as is None


def test_the_environment_of_the_process_decides_where_odoo_conf_says_nothing() -> None:
    client = changed(environment={"PGHOST": "db.example", "PGPORT": "5440", "HOME": "/x", "PGOPTIONS": "-c x=1"})
    plan = plan_for_clients([client], here())
    assert plan.target is not None
    assert (plan.target.parameters["host"], plan.target.parameters["port"]) == ("db.example", "5440")
    assert plan.target.environment == {"PGHOST": "db.example", "PGPORT": "5440"}
    assert plan.server is None


def test_a_pgbouncer_on_the_way_is_seen_and_the_server_behind_it_is_asked_directly() -> None:
    plan = plan_for_clients([changed(host="127.0.0.1", port=6432)], here(pooler()))
    assert plan.target is not None
    assert (plan.target.parameters["host"], plan.target.parameters["port"]) == ("10.0.0.6", "5434")
    assert [c.pid for c in plan.consoles] == [60]
    assert [t.parameters["user"] for t in plan.consoles[0].targets] == ["pgbouncer", "odoo"]
    assert any("PgBouncer (pid 60) is in between" in s for s in plan.sentences)


def test_the_entry_of_the_instances_own_database_decides_first() -> None:
    ini = INI + "prod = host=10.0.0.7\n"
    found = parameters(changed(host="127.0.0.1", port=6432), around=here(pooler(ini)))
    assert (found["host"], found["port"]) == ("10.0.0.7", "5432")


def test_a_pgbouncer_whose_file_is_not_readable_leads_to_the_only_server_here() -> None:
    plan = plan_for_clients([changed(host="127.0.0.1", port=6432)], here(pooler(None)))
    assert plan.target is not None and plan.target.parameters["port"] == "5432"
    assert plan.server == 50


def test_where_nothing_tells_what_is_behind_it_the_pgbouncer_is_gone_through() -> None:
    plan = plan_for_clients([changed(host="127.0.0.1", port=6432)], here(pooler(None), servers=()))
    assert plan.target is not None and plan.target.parameters["port"] == "6432"
    assert plan.server is None and any("not readable" in s for s in plan.sentences)


def test_a_pgbouncer_that_odoo_does_not_use_is_not_on_the_way() -> None:
    plan = plan_for_clients([CLIENT], here(pooler()))
    assert plan.consoles == () and any("no Odoo was seen to reach" in s for s in plan.sentences)


def test_an_instance_on_another_server_is_said_and_left_out() -> None:
    second = Postmaster(51, 5433, "/d", ("/run/postgresql",), (), 0)
    other = changed(name="/etc/odoo/other.conf", port=5433, pids=2)
    plan = plan_for_clients([other, CLIENT], here(servers=(SERVER, second)))
    assert plan.target is not None and plan.target.named.endswith("odoo.conf")
    assert plan.elsewhere == ("/etc/odoo/other.conf",)
    assert any("/etc/odoo/other.conf uses another server" in s for s in plan.sentences)


@pytest.mark.parametrize(
    ("address", "host", "port", "elsewhere"),
    [
        ("127.0.0.1:5432", None, None, False),
        (":5432", "localhost", 5432, False),
        ("127.0.0.1:5433", None, None, True),
        ("192.168.1.9:5432", "127.0.0.1", 6432, False),
        ("10.0.0.7:5432", None, None, True),
        ("10.0.0.7:5432", "10.0.0.8", 5432, True),
        ("10.0.0.7:5432", "10.0.0.7", 6432, False),
        ("db.example:5432", None, None, False),
        ("db.example:5432", "10.0.0.8", 5432, False),
    ],
)
def test_whose_server_an_address_is_not_is_said_only_where_it_is_certain(
    address: str, host: str | None, port: int | None, elsewhere: bool
) -> None:
    second = Postmaster(51, 5433, "/d", ("/run/postgresql",), (), 0)
    around = here(pooler("[databases]\n* = host=127.0.0.1\n"), servers=(SERVER, second))
    plan = plan_for_address(address, [changed(host=host, port=port)], around)
    assert plan.elsewhere == ((CLIENT.name,) if elsewhere else ())


@pytest.mark.parametrize(
    ("address", "server"),
    [
        ("127.0.0.1:5432", 50),
        ("127.0.0.1:5433", 51),
        ("/run/postgresql/.s.PGSQL.5433", 51),
        ("/run/postgresql/.s.PGSQL.5434", None),
        ("127.0.0.1:5432,5433", None),
        ("", None),
        (None, None),
    ],
)
def test_the_server_of_an_address_is_that_one_or_none(address: str | None, server: int | None) -> None:
    """Not the one on 5432 for want of a better: its sessions would be counted as this server's."""
    second = Postmaster(51, 5433, "/d", ("/run/postgresql",), (), 0)
    assert plan_for_address(address, [], here(servers=(SERVER, second))).server == server


def test_the_pooler_of_an_instance_on_the_named_server_is_looked_at() -> None:
    around = here(pooler("[databases]\n* = host=127.0.0.1\n"))
    plan = plan_for_address("127.0.0.1:5432", [changed(host="127.0.0.1", port=6432)], around)
    assert [c.pid for c in plan.consoles] == [60] and plan.server == 50


def test_a_host_without_odoo_is_looked_at_as_a_database_server() -> None:
    plan = plan_for_clients([], here())
    assert plan.target is not None and plan.target.run_as == POSTGRES and plan.server == 50
    assert plan_for_clients([], here(servers=())).target is None


def test_the_way_of_the_reserve_is_the_servers_own_socket() -> None:
    (target,) = reserve_targets(SERVER, POSTGRES)
    assert [t.parameters["user"] for t in reserve_targets(SERVER, ODOO)] == ["odoo", "postgres"]
    assert target.parameters == {"host": "/run/postgresql", "port": "5432", "user": "postgres", "dbname": "postgres"}
    assert target.run_as == POSTGRES
    assert reserve_targets(SERVER, None) == ()


@pytest.mark.parametrize(
    ("host", "local"),
    [(None, True), ("/tmp", True), ("localhost", True), ("192.168.1.9", True), ("10.1.1.1", False), ("db", False)],
)
def test_what_counts_as_this_host(host: str | None, local: bool) -> None:
    assert is_local(host, here()) is local


def test_a_console_that_was_named_is_recognised_as_one_that_runs_here() -> None:
    around = here(pooler())
    for address in ("127.0.0.1:6432", "192.168.1.9:6432", "/run/postgresql:6432", ":6432"):
        assert pooler_at(address, around) is around.poolers[0], address
    for address in ("10.0.0.1:6432", "127.0.0.1:6433", "/tmp:6432", "nonsense"):
        assert pooler_at(address, around) is None, address


def test_no_password_is_shown() -> None:
    plan = plan_for_clients([changed(host="127.0.0.1", port=6432)], here(pooler()))
    assert "geheim" not in repr(plan) + repr(CLIENT) + " ".join(plan.sentences)
