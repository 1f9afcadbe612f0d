from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from slotwise.capacity.relief import spare_sessions
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.sessions import sessions
from tests.build import FIRST_CRON, FIRST_HTTP, NOW, backend, host, topology


def _seen(*held: tuple[int | None, object]) -> Sessions:
    roles = {**topology(), 60: "pgbouncer", 61: "unknown", 200: "queue_job"}
    found = sessions(host(list(held), roles=roles))  # type: ignore[arg-type]
    assert isinstance(found, Sessions)
    return found


def test_the_safest_first_and_never_what_somebody_needs() -> None:
    seen = _seen(
        (61, backend(1, application_name="psql", idle_for=900)),
        (60, backend(2, application_name="", idle_for=800)),
        (FIRST_HTTP, backend(3, idle_for=10)),
        (FIRST_HTTP, backend(4, idle_for=20)),
        (None, backend(5, idle_for=1)),
        (FIRST_HTTP, backend(6, query="DISCARD ALL", idle_for=99)),
        (FIRST_HTTP, backend(7, query="", idle_for=99)),
        (FIRST_HTTP, backend(8, state="idle in transaction", idle_for=999)),
        (FIRST_CRON, backend(9, "postgres", idle_for=9999)),
        (200, backend(10, query="LISTEN queue_job", application_name="", idle_for=9999)),
    )
    assert [s.held.backend.pid for s in spare_sessions(seen, NOW)] == [5, 4, 3, 2, 1]
    assert [s.held.backend.pid for s in spare_sessions(seen, NOW, lambda h: h.owner.pid == 61)] == [1]


@given(st.lists(st.floats(0, 9000), min_size=1, max_size=20))
def test_of_equal_ones_the_longest_idle_first(ages: list[float]) -> None:
    seen = _seen(*((FIRST_HTTP, backend(n, idle_for=age)) for n, age in enumerate(ages)))
    idle = [s.idle_seconds or 0.0 for s in spare_sessions(seen, NOW)]
    assert len(idle) == len(ages) and idle == sorted(idle, reverse=True)
