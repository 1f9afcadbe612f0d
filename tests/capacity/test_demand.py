"""Demand against what real Odoo hosts held, and its properties over all settings."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slotwise.capacity.demand import Demand, demand, odoo_demand
from slotwise.capacity.deployment import Deployment, OdooHost, PostgresServer, Traffic
from slotwise.capacity.guide import guide


def host(**settings: object) -> OdooHost:
    return msgspec.convert({"odoo_version": 18, **settings}, OdooHost)


def figures(wanted: Demand) -> tuple[int, int, int, int]:
    return wanted.steady, wanted.typical, wanted.peak, wanted.ceiling


def test_the_guides_example_is_sixty() -> None:
    assert guide((host(workers=8, max_cron_threads=2),)) == 60
    assert odoo_demand(host(workers=8, max_cron_threads=2)).guide == 60


@pytest.mark.parametrize(
    ("workers", "cron", "steady", "typical", "peak_at_64", "peak_at_16", "ceiling"),
    [
        (2, 2, 8, 18, 84, 36, 320),
        (4, 2, 10, 22, 92, 44, 448),
        (8, 2, 14, 30, 108, 60, 704),
        (16, 4, 26, 54, 152, 104, 1344),
    ],
)
def test_one_database_with_websockets(
    workers: int, cron: int, steady: int, typical: int, peak_at_64: int, peak_at_16: int, ceiling: int
) -> None:
    wanted = odoo_demand(host(workers=workers, max_cron_threads=cron))
    assert figures(wanted) == (steady, typical, peak_at_64, ceiling)
    assert odoo_demand(host(workers=workers, max_cron_threads=cron, db_maxconn_gevent=16)).peak == peak_at_16


def test_a_small_odoo_pool_makes_the_ceiling_affordable() -> None:
    assert odoo_demand(host(workers=8, db_maxconn=8, db_maxconn_gevent=16)).ceiling == 10 * 8 + 16


def test_an_unset_gevent_pool_takes_db_maxconn() -> None:
    one = host(workers=1, max_cron_threads=0, db_maxconn=10, db_maxconn_gevent=0)
    assert one.gevent_pool_size == 10
    assert odoo_demand(one).ceiling == 20


def test_a_pool_of_nought_is_a_pool_of_one() -> None:
    assert odoo_demand(host(workers=3, max_cron_threads=2, db_maxconn=0)).ceiling == 3 + 2 + 1


def test_twenty_databases_fill_the_odoo_pool() -> None:
    wanted = odoo_demand(host(workers=8, databases=20))
    assert wanted.by_role["http_worker"].typical == 8 * 40
    assert wanted.ceiling == 704


def test_listen_sessions_are_on_postgres_from_the_start() -> None:
    wanted = odoo_demand(host(workers=4, databases=("prod",)))
    assert wanted.started == 2
    assert wanted.by_database["postgres"].started == 2
    assert wanted.by_database["postgres"].steady == 3
    assert wanted.by_database["prod"].typical == 4 * 2 + 2 * 3 + 5


def test_no_http_means_no_http_worker_and_no_gevent() -> None:
    wanted = odoo_demand(host(workers=4, http_enable=False))
    assert set(wanted.by_role) == {"cron_worker"}
    assert wanted.ceiling == 2 * 64


def test_threaded_is_one_process_with_one_pool() -> None:
    wanted = odoo_demand(host(workers=0, max_cron_threads=2, websockets=0, concurrent_requests=16))
    assert wanted.started == 2
    assert wanted.ceiling == wanted.peak == 64
    bounded = odoo_demand(host(workers=0, websockets=0, concurrent_requests=4, max_http_threads=4))
    assert bounded.peak == 2 + 3 * 4 + 4 * 2 + 6


def test_an_empty_replica_host_in_18_doubles_the_pools_of_one_server() -> None:
    plain, doubled = host(workers=4), host(workers=4, replica_server="primary")
    assert odoo_demand(doubled).ceiling == 2 * odoo_demand(plain).ceiling
    assert odoo_demand(doubled).typical > odoo_demand(plain).typical


def test_a_replica_elsewhere_takes_its_own_slots() -> None:
    both = Deployment(
        hosts=(host(odoo_version=19, workers=4, replica_server="copy"),),
        servers=(PostgresServer(), PostgresServer(name="copy")),
    )
    assert demand(both).ceiling == 448
    assert demand(both, "copy").ceiling == 448
    assert demand(both, "copy").steady == 4
    assert demand(both, "copy").guide == 0


def test_17_has_no_replica_pool() -> None:
    wanted = host(odoo_version=17, workers=4, replica_server="primary")
    assert odoo_demand(wanted).ceiling == 448


def test_19_opens_preloaded_registries_in_the_master() -> None:
    plain = odoo_demand(host(odoo_version=19, workers=4, databases=("a", "b")))
    preloaded = odoo_demand(host(odoo_version=19, workers=4, databases=("a", "b"), preloaded=("a", "b")))
    assert "master" not in plain.by_role
    assert preloaded.by_role["master"].peak == 2
    assert preloaded.by_role["master"].typical == 0


@pytest.mark.parametrize(
    ("version", "preloaded", "traffic", "per_worker"),
    [
        (17, 1, Traffic.RPC, 2),
        (17, 0, Traffic.RPC, 1),
        (18, 1, Traffic.RPC, 2),
        (18, 0, Traffic.RPC, 1),
        (19, 1, Traffic.RPC, 1),
        (19, 0, Traffic.RPC, 1),
        (18, 0, Traffic.BUSINESS, 2),
        (19, 0, Traffic.BUSINESS, 2),
    ],
)
def test_one_or_two_per_http_worker_and_database(
    version: int, preloaded: int, traffic: Traffic, per_worker: int
) -> None:
    one = host(
        odoo_version=version, workers=4, databases=4, preloaded=preloaded, traffic=traffic, databases_per_worker=1
    )
    assert odoo_demand(one).by_role["http_worker"].typical == 4 * per_worker


def test_every_term_says_where_it_comes_from() -> None:
    wanted = odoo_demand(
        host(
            odoo_version=19, workers=4, databases=("a", "b"), preloaded=("a", "b"), replica_server="primary",
            shells=1, queue_job_databases=2, raw_connections=3,
        )
    )  # fmt: skip
    assert all(term.source for term in wanted.terms)
    assert {"shell", "queue_job", "raw", "master", "http_worker (read-only pool)"} <= set(wanted.by_role)


def test_terms_and_roles_add_up() -> None:
    wanted = odoo_demand(host(workers=5, databases=("a", "b", "c"), websockets=20, shells=1))
    assert sum(term.count.peak for term in wanted.terms) == wanted.peak
    assert sum(role.ceiling for role in wanted.by_role.values()) == wanted.ceiling


def test_other_clients_and_superusers_count() -> None:
    server = PostgresServer(other=6, superuser_sessions=2)
    wanted = demand(Deployment(hosts=(host(workers=1),), servers=(server,)))
    alone = odoo_demand(host(workers=1))
    assert wanted.typical == alone.typical + 8
    assert wanted.guide == alone.guide


def test_a_fleet_of_one_is_the_host() -> None:
    one = host(workers=3, databases=("a",))
    assert demand(Deployment(hosts=(one,))) == odoo_demand(one)
    five = host(workers=3, databases=("a",), count=5)
    assert demand(Deployment(hosts=(one,) * 5)).figures == odoo_demand(five).figures


def test_measured_connections_take_the_models_place() -> None:
    measured = host(workers=4, measured={"http_per_database": 3.0, "source": "measured over 2 h"})
    wanted = odoo_demand(measured)
    assert wanted.by_role["http_worker"].typical == 12
    assert any(term.source == "measured over 2 h" for term in wanted.terms)


def test_a_thousand_hosts_of_a_thousand_databases_stay_small() -> None:
    names = tuple(f"db{i}" for i in range(1000))
    hosts = tuple(host(name=f"h{i}", workers=8, databases=names) for i in range(1000))
    wanted = demand(Deployment(hosts=hosts))
    assert wanted.ceiling == 704 * 1000
    assert len(wanted.terms) < 20


hosts = st.builds(
    OdooHost,
    odoo_version=st.sampled_from((17, 18, 19)),
    count=st.integers(1, 5),
    workers=st.integers(0, 40),
    max_cron_threads=st.integers(0, 8),
    db_maxconn=st.integers(0, 100),
    db_maxconn_gevent=st.none() | st.integers(0, 100),
    http_enable=st.booleans(),
    databases=st.integers(0, 30),
    preloaded=st.integers(0, 10),
    databases_per_worker=st.none() | st.integers(0, 30),
    traffic=st.sampled_from(Traffic),
    websockets=st.none() | st.integers(0, 200),
    concurrent_requests=st.none() | st.integers(0, 100),
    max_http_threads=st.none() | st.integers(1, 100),
    queue_job_databases=st.integers(0, 5),
    shells=st.integers(0, 3),
    raw_connections=st.integers(0, 5),
    replica_server=st.none() | st.just("primary"),
)


@given(hosts)
def test_the_figures_keep_their_order(one: OdooHost) -> None:
    wanted = odoo_demand(one)
    assert 0 <= wanted.started <= wanted.steady <= wanted.typical <= wanted.peak <= wanted.ceiling


@given(hosts, st.integers(1, 10))
def test_more_never_lowers_a_figure(one: OdooHost, more: int) -> None:
    before = odoo_demand(one)
    grown = {
        "count": one.count + more,
        "max_cron_threads": one.max_cron_threads + more,
        "databases": one.database_count + more,
    }
    if one.workers:  # from threads to processes is another server, not more of the same
        grown["workers"] = one.workers + more
    for name, value in grown.items():
        after = odoo_demand(msgspec.structs.replace(one, **{name: value}))
        for moment in ("guide", "started", "steady", "typical", "peak", "ceiling"):
            assert getattr(after, moment) >= getattr(before, moment), (name, moment)


@given(hosts)
def test_no_process_holds_more_than_its_pool(one: OdooHost) -> None:
    wanted = odoo_demand(msgspec.structs.replace(one, count=1, replica_server=None))
    if one.workers:
        cap = {"http_worker": one.odoo_pool_size, "cron_worker": one.odoo_pool_size, "gevent": one.gevent_pool_size}
    else:
        cap = {"threaded": one.odoo_pool_size}
    for role, pool_size in cap.items():
        held = [term.per_process.ceiling for term in wanted.terms if term.role == role]
        assert sum(held) in (0, pool_size)
