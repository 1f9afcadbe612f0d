"""Plans: the recommendation fed back fits, bounds move the right way, alternatives are ranked."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from slotwise.capacity import memory
from slotwise.capacity.demand import demand
from slotwise.capacity.deployment import Deployment, OdooHost, PostgresServer
from slotwise.capacity.headroom import BADNESS, Fit
from slotwise.capacity.pgbouncer_pools import PgBouncerPools
from slotwise.capacity.planner import Terms, plan_server, ram_bound, weigh
from slotwise.capacity.pooling import Workload
from slotwise.capacity.sweep import sweeps

GIB = memory.GIB

hosts = st.builds(
    OdooHost,
    odoo_version=st.sampled_from((17, 18, 19)),
    count=st.integers(1, 4),
    workers=st.integers(0, 24),
    max_cron_threads=st.integers(0, 4),
    db_maxconn=st.integers(1, 100),
    databases=st.integers(0, 25),
    preloaded=st.integers(0, 3),
    websockets=st.none() | st.integers(0, 100),
    cores=st.none() | st.integers(1, 16),
)
servers = st.builds(
    PostgresServer,
    max_connections=st.integers(10, 600),
    other=st.integers(0, 10),
    ram_bytes=st.none() | st.integers(4, 128).map(lambda gib: gib * GIB),
    cores=st.none() | st.integers(1, 32),
)


def of(host: OdooHost, server: PostgresServer) -> Deployment:
    return Deployment(hosts=(host,), servers=(server,))


@settings(deadline=None, max_examples=150)
@given(hosts, servers)
def test_a_recommendation_that_fits_fits_when_fed_back(host: OdooHost, server: PostgresServer) -> None:
    plan = plan_server(of(host, server), "primary")
    assert len(plan.alternatives) >= 3
    for one in plan.alternatives:
        again = plan_server(Deployment(hosts=one.hosts, servers=(one.server,)), "primary")
        if one.verdict is Fit.FITS:
            assert again.verdict is Fit.FITS
            assert again.demand.typical == one.typical
    worst_first = [BADNESS[one.verdict] for one in plan.alternatives]
    assert worst_first == sorted(worst_first)


@settings(deadline=None, max_examples=100)
@given(hosts, servers)
def test_without_a_cap_something_always_fits(host: OdooHost, server: PostgresServer) -> None:
    plan = plan_server(of(host, replace(server, ram_bytes=None)), "primary")
    assert plan.recommended.verdict is Fit.FITS


@given(hosts, servers, st.integers(1, 64))
def test_more_ram_never_lowers_a_bound(host: OdooHost, server: PostgresServer, more: int) -> None:
    small = replace(server, ram_bytes=(server.ram_bytes or 4 * GIB))
    assert small.ram_bytes is not None
    large = replace(small, ram_bytes=small.ram_bytes + more * GIB)
    before, after = ram_bound(of(host, small), small), ram_bound(of(host, large), large)
    assert before is not None
    assert after is not None
    assert after >= before
    assert memory.guide_most_connections(large.ram_bytes or 0) >= memory.guide_most_connections(small.ram_bytes)
    fit_before = weigh(of(host, small), "primary", Terms()).fit
    fit_after = weigh(of(host, large), "primary", Terms()).fit
    assert BADNESS[fit_after] <= BADNESS[fit_before]


def test_the_guides_bounds() -> None:
    assert memory.guide_most_connections(16 * GIB) == 200
    assert memory.guide_most_connections(64 * GIB) == 500
    assert memory.guide_most_connections(1024 * GIB) == 1000


def test_memory_by_tables_page_tables_and_sorts() -> None:
    server = PostgresServer(ram_bytes=64 * GIB, cores=8, tables_touched=100)
    more_tables = replace(server, tables_touched=1000)
    assert memory.bytes_per_connection(more_tables) - memory.bytes_per_connection(server) == 900 * 26 * 1024
    assert memory.bytes_per_connection(replace(server, huge_pages=True)) < memory.bytes_per_connection(server)
    generous = replace(server, work_mem_bytes=256 * memory.MIB)
    small_sorts = memory.most_connections(server, 17)
    large_sorts = memory.most_connections(generous, 17)
    assert small_sorts is not None
    assert large_sorts is not None
    assert large_sorts < small_sorts
    assert memory.most_connections(PostgresServer(), 17) is None
    assert memory.most_connections(PostgresServer(ram_bytes=1), 17) == 0


def test_odoo_on_the_same_machine_takes_its_ram() -> None:
    host = OdooHost(odoo_version=18, workers=16)
    apart = PostgresServer(ram_bytes=8 * GIB, cores=4)
    together = replace(apart, shared_with_odoo=True)
    free, shared = ram_bound(of(host, apart), apart), ram_bound(of(host, together), together)
    assert free is not None
    assert shared is not None
    assert shared < free


def test_ram_can_be_the_tightest_bound() -> None:
    server = PostgresServer(max_connections=1000, ram_bytes=4 * GIB, cores=2)
    plan = plan_server(of(OdooHost(odoo_version=18, workers=20, databases=20), server), "primary")
    assert plan.limited_by == "RAM"
    assert plan.verdict is Fit.DOES_NOT_FIT


def test_a_role_limit_binds_odoo_only() -> None:
    server = PostgresServer(max_connections=500, role_connection_limit=40, other=20)
    plan = plan_server(of(OdooHost(odoo_version=18, workers=8, websockets=0), server), "primary")
    assert plan.limited_by == "role limit"
    assert plan.limit == 60
    assert plan.demand.typical == 24 + 20


def test_workers_are_cut_to_two_a_core() -> None:
    host = OdooHost(odoo_version=18, workers=20, cores=4)
    plan = plan_server(of(host, PostgresServer(max_connections=400)), "primary")
    assert plan.recommended.hosts[0].workers == 8


def test_the_recommended_pools_never_starve_a_process() -> None:
    host = OdooHost(odoo_version=18, workers=4, db_maxconn=1)
    best = plan_server(of(host, PostgresServer(max_connections=100)), "primary").recommended
    assert best.hosts[0].db_maxconn >= 8
    assert best.hosts[0].gevent_pool_size >= 8


def test_two_layers_of_the_worked_example() -> None:
    """Two hosts of 8 workers and 2 cron processes, 91 slots for Odoo, 4 cores, 100 transactions/s of 0.1 s."""
    deployment = of(
        OdooHost(odoo_version=18, workers=8, max_cron_threads=2, count=2),
        PostgresServer(max_connections=100, other=6, cores=4),
    )
    terms = Terms(workload=Workload(transactions_per_second=100.0, transaction_seconds=0.1, source="measured"))
    plan = plan_server(deployment, "primary", terms)
    pooled = next(one for one in plan.alternatives if one.name == "add-pgbouncer")
    sizing = pooled.pooling
    assert sizing is not None
    assert sizing.deadlock_floor == 1 + 16 + 8
    assert sizing.listen_sessions == 6
    assert sizing.pools.default_pool_size >= sizing.deadlock_floor
    assert sizing.pools.max_user_connections + sizing.pools.direct_connections <= 91
    assert sizing.max_client_conn >= pooled.hosts[0].db_maxconn * 20
    assert sizing.finite.p99_seconds == 0.0 or (sizing.finite.p99_seconds or 1) < 0.25
    assert pooled.verdict is Fit.FITS


def test_zero_databases_and_zero_everything() -> None:
    host = OdooHost(odoo_version=18, workers=0, max_cron_threads=0, databases=0, http_enable=False)
    plan = plan_server(of(host, PostgresServer(max_connections=10)), "primary")
    assert (plan.demand.typical, plan.demand.peak) == (0, 0)
    assert plan.verdict is Fit.FITS
    nothing = plan_server(Deployment(hosts=(), servers=(PostgresServer(max_connections=10),)), "primary")
    assert nothing.demand.guide == 0
    assert nothing.verdict is Fit.FITS


def test_a_standing_pgbouncer_is_sized_and_not_added() -> None:
    host, server = OdooHost(odoo_version=18, workers=8), PostgresServer(max_connections=100)
    fresh = plan_server(of(host, server), "primary")
    standing = plan_server(of(host, replace(server, pgbouncer=PgBouncerPools())), "primary")
    titles = [{one.name: one.title for one in plan.alternatives}["add-pgbouncer"] for plan in (fresh, standing)]
    assert titles == ["Put PgBouncer before PostgreSQL", "Size PgBouncer's pools"]


def test_the_sweep_passes_through_the_plan() -> None:
    hosts = (
        OdooHost(odoo_version=18, name="web", workers=8, databases=("a", "b")),
        OdooHost(odoo_version=18, name="jobs", workers=2, databases=("a", "b")),
    )
    deployment = Deployment(hosts=hosts, servers=(PostgresServer(max_connections=100),))
    wanted = demand(deployment)
    for sweep in sweeps(deployment, "primary", Terms()):
        here = next(point for point in sweep.points if point.x == sweep.now)
        assert (here.steady, here.typical, here.peak, here.guide) == (
            wanted.steady, wanted.typical, wanted.peak, wanted.guide,
        )  # fmt: skip
        assert [point.typical for point in sweep.points] == sorted(point.typical for point in sweep.points)
