from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slotwise.capacity.held_transactions import NESTED_CURSORS, blocked_by, exceeds_one_request, without_running_jobs
from slotwise.snapshot.holders import holders
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Backend, Blocked, Locks
from slotwise.snapshot.sessions import sessions
from tests.build import FIRST_CRON, NOW, backend, host, instance

LOCK = "SELECT * FROM ir_cron WHERE id in (1) LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"


def _open(pid: int, idle_for: float = 50, query: str = "SELECT 1", database: str = "prod") -> Backend:
    return backend(pid, database, "idle in transaction", idle_for=idle_for, query=query)


def _left(*rows: Backend, cron: int = 900) -> list[int]:
    seen = sessions(host([(FIRST_CRON, row) for row in rows]))
    assert isinstance(seen, Sessions)
    odoo = Odoo((instance(limit_time_real_cron=cron),))
    return [t.held.backend.pid for _, quiet in without_running_jobs(holders(seen), odoo, NOW) for t in quiet]


@given(st.integers(0, 8))
def test_a_running_job_explains_its_lock_and_so_many_cursors_on_its_database(others: int) -> None:
    left = _left(_open(1, query=LOCK), *(_open(10 + n) for n in range(others)))
    assert 1 not in left and len(left) == max(0, others - NESTED_CURSORS)


def test_only_on_its_own_database_and_only_within_its_time() -> None:
    assert _left(_open(1, query=LOCK), _open(2, database="test")) == [2]
    assert _left(_open(1, query=LOCK), _open(2, idle_for=901)) == [2]
    assert _left(_open(1, query=LOCK), _open(2, idle_for=90_000), cron=0) == []
    assert _left(_open(2)) == [2]


def test_beginning_a_transaction_twice_is_no_repetition() -> None:
    seen = sessions(host([(FIRST_CRON, _open(n, query="BEGIN ISOLATION LEVEL REPEATABLE READ")) for n in (1, 2)]))
    assert isinstance(seen, Sessions)
    ((holder, quiet),) = without_running_jobs(holders(seen), None, NOW)
    assert len(quiet) == 2 and exceeds_one_request(holder, quiet) == ()


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=20))
def test_who_waits_for_whom_ends_even_in_a_circle(edges: list[tuple[int, int]]) -> None:
    locks = Locks(tuple(Blocked(waiter, (blocker,)) for waiter, blocker in edges))
    waiting = blocked_by(1, locks)
    assert 1 not in waiting and set(waiting) <= {waiter for waiter, _ in edges}
    assert {w for w, b in edges if b == 1 and w != 1} <= set(waiting)
