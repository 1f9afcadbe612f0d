from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.capacity.recorded import ENOUGH_LOOKS, LONG_SECONDS, recorded
from slotwise.snapshot.round import HolderCount, Round

START = 1_790_000_000.0


def held(role: str, pid: int | None, count: int, *, database: str = "prod", application: str = "odoo") -> HolderCount:
    return HolderCount(role, pid, "odoo", database, "odoo", application, "idle", count, "known")


def look(number: int, *holders: HolderCount, step: float = 60.0) -> Round:
    return Round(at=START + number * step, used=sum(h.count for h in holders), usable=97, holders=holders)


def usual(number: int, step: float = 60.0) -> Round:
    return look(number, held("http_worker", 11, 2), held("http_worker", 12, 1), held("cron_worker", 13, 3), step=step)


def test_the_busiest_process_of_a_role_is_what_counts() -> None:
    seen = recorded([usual(n) for n in range(ENOUGH_LOOKS)], "history h.db")
    assert seen.held is not None
    assert (seen.held.http_per_database, seen.held.cron_per_process) == (2.0, 3.0)
    assert seen.held.gevent_per_process is None, "a role that was not seen is not measured as none"
    assert seen.source == "history h.db: 100 looks in 1.6 hours"


def test_per_database_is_what_a_worker_holds_on_one() -> None:
    two = [held("http_worker", 11, 2), held("http_worker", 11, 2, database="test")]
    seen = recorded([look(n, *two) for n in range(ENOUGH_LOOKS)], "h")
    assert seen.held is not None and seen.held.http_per_database == 2.0


def test_few_looks_prove_nothing() -> None:
    assert recorded([usual(n) for n in range(ENOUGH_LOOKS - 1)], "h").held is None
    assert recorded([], "h").held is None


def test_a_leak_of_one_night_is_no_demand() -> None:
    rounds = [usual(n) for n in range(98)] + [look(n, held("http_worker", 11, 40)) for n in range(98, 102)]
    seen = recorded(rounds, "h")
    assert seen.held is not None and seen.held.http_per_database == 2.0


def test_what_is_not_of_the_pool_is_left_out() -> None:
    raw = held("http_worker", 11, 9, application="")
    listening = held("http_worker", 11, 9, database="postgres")
    foreign = structs.replace(held("http_worker", None, 9), owner="foreign")
    rounds = [look(n, held("http_worker", 11, 1), raw, listening, foreign) for n in range(ENOUGH_LOOKS)]
    seen = recorded(rounds, "h")
    assert seen.held is not None and seen.held.http_per_database == 1.0


@pytest.mark.parametrize(("step", "gaps", "long"), [(6_120.0, 0, True), (6_000.0, 0, False), (6_120.0, 20, False)])
def test_only_a_long_and_whole_history_may_lower_the_model(step: float, gaps: int, long: bool) -> None:
    rounds = [usual(n, step) for n in range(ENOUGH_LOOKS)]
    blind = [structs.replace(r, used=None, holders=(), gap="down") for r in rounds[:gaps]]
    assert recorded([*blind, *rounds[gaps:]], "h").long is long
    assert LONG_SECONDS == 604_800


def pooled(number: int, transactions: int | None, seconds: float | None, step: float = 60.0) -> Round:
    return Round(at=START + number * step, pooled_transactions=transactions, pooled_transaction_seconds=seconds)


def test_transaction_times_come_from_the_poolers_totals() -> None:
    calm = [pooled(n, 600 * n, 30.0 * n) for n in range(11)]
    busy = [pooled(10 + n, 6_000 + 6_000 * n, 300.0 + 300.0 * n) for n in range(1, 11)]
    workload = recorded([*calm, *busy], "h").workload
    assert workload is not None
    assert workload.transaction_seconds == pytest.approx(0.05)
    assert workload.transactions_per_second == pytest.approx(100.0)


def test_a_restart_of_the_pooler_and_a_gap_are_left_out() -> None:
    rounds = [pooled(0, 0, 0.0), pooled(5, 6_000, 600.0), pooled(6, 10, 1.0), pooled(11, 6_010, 601.0)]
    workload = recorded(rounds, "h").workload
    assert workload is not None and workload.transactions_per_second == pytest.approx(20.0)
    later = pooled(500, 10**9, 1e9)
    again = recorded([*rounds, later], "h").workload
    assert again is not None and again.transaction_seconds == pytest.approx(0.1)


def test_without_a_pooler_or_with_few_transactions_times_are_unknown() -> None:
    assert recorded([usual(n) for n in range(200)], "h").workload is None
    assert recorded([pooled(0, 0, 0.0), pooled(5, 999, 9.0)], "h").workload is None


_COUNTS = st.lists(st.integers(1, 50), min_size=ENOUGH_LOOKS, max_size=ENOUGH_LOOKS + 40)


@given(_COUNTS)
def test_the_figure_is_one_that_was_seen_and_95_of_100_looks_do_not_exceed_it(counts: list[int]) -> None:
    seen = recorded([look(n, held("gevent", 5, count)) for n, count in enumerate(counts)], "h")
    assert seen.held is not None
    figure = seen.held.gevent_per_process
    assert figure in {float(c) for c in counts}
    assert sum(1 for c in counts if c > figure) <= 0.05 * len(counts)
