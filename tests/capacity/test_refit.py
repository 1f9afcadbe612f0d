"""Settings that were tried out reach their goal, and starve nobody."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from slotwise.capacity.from_snapshot import InstallationDemand, installation_demand
from slotwise.capacity.refit import Wanted, refit, smallest
from tests.build import host, listeners, pgbouncer
from tests.rules.pgbouncer.pooled import pooled


def _demand(**options: int | str) -> InstallationDemand:
    found = installation_demand(host(listeners(websocket=False), options={**options}))
    assert isinstance(found, InstallationDemand)
    return found


def test_pools_are_lowered_before_workers() -> None:
    found = refit(_demand(db_maxconn=64), (Wanted(lambda f: f.ceiling <= 130, True),))
    assert found is not None and found.figures.ceiling <= 130
    assert [r.workers for r in found.resized] == [None]


def test_a_pool_stays_large_enough_for_the_databases_in_use_unless_nothing_else_helps() -> None:
    demand = _demand(db_maxconn=64, db_name="a,b,c,d,e,f,g,h,i,j")
    kept = refit(demand, (Wanted(lambda f: f.ceiling <= 200, False),))
    assert kept is not None and kept.resized[0].db_maxconn in (22, 24)
    tight = refit(demand, (Wanted(lambda f: f.ceiling <= 90, False),))
    assert tight is not None and (tight.resized[0].db_maxconn or 99) < 22


def test_nothing_is_found_where_nothing_fits_or_nothing_connects_directly() -> None:
    assert refit(_demand(), (Wanted(lambda f: f.typical <= 5, True),)) is None
    behind = installation_demand(pooled(pgbouncer()))
    assert isinstance(behind, InstallationDemand)
    assert refit(behind, (Wanted(lambda f: True, True),)) is None and smallest(behind) is None


def test_the_smallest_pools_are_none_where_they_are_in_force() -> None:
    assert smallest(_demand(db_maxconn=8, db_maxconn_gevent=8)) is None
    found = smallest(_demand())
    assert found is not None and found.resized[0].db_maxconn == 8


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 30), st.integers(0, 5), st.integers(5, 80), st.integers(20, 300))
def test_what_is_found_reaches_the_goal_and_is_never_larger(workers: int, cron: int, pool: int, slots: int) -> None:
    demand = _demand(workers=workers, max_cron_threads=cron, db_maxconn=pool, db_maxconn_gevent=0)
    found = refit(demand, (Wanted(lambda f: f.peak <= slots, True),))
    if found is None:
        return
    assert found.figures.peak <= slots
    (resized,) = found.resized
    assert (resized.workers or 0) <= workers and (resized.db_maxconn or 0) <= pool
    if resized.workers is not None:
        assert resized.workers >= 2
