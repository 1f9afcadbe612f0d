"""The model's input from a snapshot: nothing guessed, others counted, PgBouncer's share bounded."""

from __future__ import annotations

from msgspec import structs

from slotwise.capacity.from_snapshot import InstallationDemand, installation_demand
from slotwise.capacity.installation_supply import installation_supply
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.postgres import Database, Databases
from slotwise.snapshot.processes import Processes
from tests.build import FIRST_HTTP, GEVENT, backend, behind, host, listeners, pgbouncer, topology


def _demand(snapshot: Snapshot) -> InstallationDemand:
    found = installation_demand(snapshot)
    assert isinstance(found, InstallationDemand), found
    return found


def _gap(snapshot: Snapshot) -> Unavailable:
    found = installation_demand(snapshot)
    assert isinstance(found, Unavailable)
    return found


def _databases(*owned: str, others: tuple[str, ...] = ()) -> Databases:
    rows = [Database("postgres", -1, True, False, "postgres"), Database("template1", -1, True, True, "postgres")]
    rows += [Database(name, -1, True, False, "odoo") for name in owned]
    rows += [Database(name, -1, True, False, "someone") for name in others]
    return Databases(tuple(rows))


def test_an_ordinary_prefork_host_by_hand() -> None:
    found = _demand(host())
    # 4 HTTP workers × 2, 2 cron workers × (1 LISTEN + 3), gevent 1 LISTEN + 5 cursors.
    assert found.figures.typical == 4 * 2 + 2 * 4 + 1 + 5
    assert found.figures.ceiling == (4 + 2) * 16 + 32
    assert found.likely.guide == 36 and found.certain and found.others == 0


def test_a_host_that_just_started_is_not_measured_by_its_count() -> None:
    idle = host(listeners(websocket=False))
    assert _demand(idle).figures == _demand(host()).figures


def test_without_a_version_nothing_is_guessed() -> None:
    assert "version" in _gap(host(version=None)).source
    assert "version" in _gap(host(version="master")).source
    assert "modelled" in _gap(host(version="16.0")).reason


def test_without_an_option_nothing_is_guessed() -> None:
    snapshot = host()
    assert isinstance(snapshot.odoo, Odoo)
    for name in ("workers", "max_cron_threads", "db_maxconn", "db_maxconn_gevent"):
        one = snapshot.odoo.instances[0]
        lacking = structs.replace(one, options=tuple(o for o in one.options if o.name != name))
        assert name in _gap(structs.replace(snapshot, odoo=Odoo((lacking,)))).source


def test_no_instance_is_a_gap_and_not_a_demand_of_zero() -> None:
    assert _gap(structs.replace(host(), odoo=Odoo(()))).source == "Odoo"


def test_several_instances_add_up() -> None:
    one = _demand(host())
    snapshot = host()
    assert isinstance(snapshot.odoo, Odoo)
    second = structs.replace(snapshot.odoo.instances[0], id="second", processes=())
    both = _demand(
        structs.replace(
            snapshot,
            odoo=Odoo((structs.replace(snapshot.odoo.instances[0], processes=()), second)),
        )
    )
    assert both.figures.typical == 2 * one.figures.typical
    assert both.figures.ceiling == 2 * one.figures.ceiling


def test_an_instance_that_does_not_run_counts_only_where_none_runs() -> None:
    snapshot = host()
    assert isinstance(snapshot.odoo, Odoo)
    stopped = structs.replace(snapshot.odoo.instances[0], id="staging", processes=())
    both = structs.replace(snapshot, odoo=Odoo((*snapshot.odoo.instances, stopped)))
    assert _demand(both).figures == _demand(snapshot).figures


def test_sessions_of_others_are_demand_and_orphans_and_own_are_not() -> None:
    held = [
        *listeners(),
        (900, backend(7000, "prod", user="bi", application_name="metabase")),
        (None, backend(7001)),
        (None, backend(7002, addr="10.0.0.9", user="bi", application_name="etl")),
    ]
    roles = topology()
    roles[900] = "unknown"
    snapshot = host(held, roles=roles)
    assert _demand(snapshot).others == 2


def test_without_sessions_the_others_are_unknown() -> None:
    gap = Unavailable("pg_stat_activity", "refused", "connect through the socket")
    assert _demand(structs.replace(host(), activity=gap)).others is None


def test_databases_come_from_what_the_role_owns_when_db_name_is_empty() -> None:
    held = [(pid, backend(1000 + pid, "a")) for pid in range(FIRST_HTTP, FIRST_HTTP + 4)]
    snapshot = structs.replace(
        host(held, options={"db_name": False}), databases=_databases("a", "b", "c", others=("foreign",))
    )
    (planned,) = _demand(snapshot).instances
    assert planned.likely.databases == ("a",) and planned.likely.databases_per_worker == 1
    assert planned.most.databases == ("a", "b", "c")
    assert planned.certain


def test_a_cold_host_with_unpinned_databases_is_uncertain() -> None:
    snapshot = structs.replace(
        host(listeners(websocket=False), options={"db_name": False}), databases=_databases("a", "b", "c")
    )
    found = _demand(snapshot)
    assert not found.certain
    assert found.figures.typical < found.highest.typical
    assert found.figures.ceiling == found.highest.ceiling


def test_a_host_is_warm_once_half_of_its_workers_served_something() -> None:
    for serving, certain in ((1, False), (2, True), (4, True)):
        held = [(pid, backend(1000 + pid, "a")) for pid in range(FIRST_HTTP, FIRST_HTTP + serving)]
        snapshot = structs.replace(host(held, options={"db_name": False}), databases=_databases("a", "b", "c"))
        assert _demand(snapshot).certain is certain


def test_databases_of_unknown_owners_are_an_upper_bound() -> None:
    rows = tuple(structs.replace(d, owner=None) for d in _databases("a", "b").databases)
    snapshot = structs.replace(host(listeners(websocket=False), options={"db_name": False}), databases=Databases(rows))
    (planned,) = _demand(snapshot).instances
    assert planned.most.databases == ("a", "b") and not planned.certain


def test_pinned_databases_all_count_until_workers_show_how_many_they_serve() -> None:
    options = {"db_name": "a,b, c"}
    cold = _demand(host(listeners(websocket=False), options=options))
    (planned,) = cold.instances
    assert planned.likely.databases == ("a", "b", "c") and planned.likely.databases_per_worker is None
    held = [(pid, backend(1000 + pid, "a")) for pid in range(FIRST_HTTP, FIRST_HTTP + 4)]
    warm = _demand(host(held, options=options))
    assert warm.figures.typical < cold.figures.typical == cold.highest.typical


def test_behind_a_pgbouncer_its_pools_bound_the_demand_and_odoo_fills_clients() -> None:
    snapshot = behind(host([], options={"db_port": 6432}), pgbouncer())
    found = _demand(snapshot)
    assert not found.direct and found.likely.ceiling == 0
    (pool,) = found.pooled
    # prod 20 and postgres 12, one user; max_user_connections 50 does not bind.
    assert pool.likely.total == 32 and pool.likely.databases == ("postgres", "prod")
    assert found.figures.ceiling == 32
    assert pool.clients.ceiling == (4 + 2) * 16 + 32


def test_a_pgbouncer_whose_console_is_silent_leaves_the_demand_unknown() -> None:
    roles = topology()
    roles[60] = "pgbouncer"
    held = [(60, backend(8000 + n, port=40000 + n)) for n in range(3)]
    gap = _gap(host(held, roles=roles, options={"db_port": 6432}))
    assert "PgBouncer" in gap.source and "--pgbouncer" in gap.remedy


def test_a_way_that_nothing_shows_leaves_the_demand_unknown() -> None:
    gap = _gap(host([], options={"db_host": "10.0.0.5", "db_port": 6543}))
    assert gap.source.startswith("the way of")


def test_an_empty_replica_host_doubles_the_pools_on_18() -> None:
    once, twice = _demand(host()), _demand(host(options={"db_replica_host": ""}))
    assert twice.figures.ceiling == 2 * once.figures.ceiling
    elsewhere = _demand(host(options={"db_replica_host": "10.0.0.6"}))
    assert elsewhere.figures.ceiling == once.figures.ceiling
    seventeen = _demand(host(version="17.0", options={"db_replica_host": ""}))
    assert seventeen.figures.ceiling == once.figures.ceiling


def test_raw_connections_and_runners_are_counted_beside_the_pools() -> None:
    held = [*listeners(), (FIRST_HTTP, backend(5000, application_name="")), (GEVENT, backend(5001))]
    assert _demand(host(held)).figures.typical == _demand(host()).figures.typical + 1


def test_supply_takes_the_reserves_off() -> None:
    found = installation_supply(host(settings_={"max_connections": "50"}))
    assert not isinstance(found, Unavailable) and found.usable == 47
    gap = Unavailable("pg_settings", "refused", "connect")
    assert installation_supply(structs.replace(host(), settings=gap)) == gap


def test_what_young_workers_hold_is_a_lower_bound() -> None:
    # Three databases in use, each worker has served one of them so far: the others will come within ten minutes.
    held = [(FIRST_HTTP + n, backend(1000 + n, name)) for n, name in enumerate(("a", "b", "c", "a"))]
    seen = structs.replace(host(held, options={"db_name": False}), databases=_databases("a", "b", "c"))
    assert isinstance(seen.processes, Processes)
    for age, certain in ((30.0, False), (601.0, True)):
        aged = [structs.replace(p, started_at=seen.taken_at - age) for p in seen.processes.processes]
        snapshot = structs.replace(seen, processes=structs.replace(seen.processes, processes=tuple(aged)))
        (planned,) = _demand(snapshot).instances
        assert planned.likely.databases_per_worker == 1
        assert planned.certain is certain
