from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.snapshot.holders import holders, short_statement, unseen_owners, unseen_states
from slotwise.snapshot.ownership import Held, Owner, Sessions
from slotwise.snapshot.processes import Processes
from slotwise.snapshot.sessions import sessions
from tests.build import FIRST_CRON, FIRST_HTTP, backend, host, topology


def _sessions(*held: tuple[int | None, object], **more: object) -> Sessions:
    seen = sessions(host(list(held), **more))  # type: ignore[arg-type]
    assert isinstance(seen, Sessions)
    return seen


def test_one_holder_for_each_process_and_each_client_that_was_not_seen() -> None:
    seen = _sessions(
        (FIRST_HTTP, backend(1)),
        (FIRST_HTTP, backend(2)),
        (FIRST_CRON, backend(3)),
        (None, backend(4)),
        (None, backend(5)),
        (None, backend(6, addr="10.0.0.9", application_name="psql")),
        (None, backend(7, addr="10.0.0.9", application_name="psql")),
    )
    found = [(h.label, len(h.held), h.certainty) for h in holders(seen)]
    assert found == [
        (f"http_worker {FIRST_HTTP}", 2, "known"),
        (f"cron_worker {FIRST_CRON}", 1, "known"),
        ("backend 4 (its client is gone)", 1, "orphan"),
        ("backend 5 (its client is gone)", 1, "orphan"),
        ("application 'psql' of role odoo on 10.0.0.9", 2, "foreign"),
    ]


def test_a_pooler_is_no_odoo_process_and_the_process_behind_it_is_named_where_it_is_known() -> None:
    seen = _sessions((60, backend(1)), roles={**topology(), 60: "pgbouncer"})
    (pooler,) = holders(seen)
    assert pooler.pooler and not pooler.is_odoo and pooler.label == "pgbouncer 60"
    behind = Held(backend(2), Owner("known", 60, "unknown", "pgbouncer", None, "link", FIRST_HTTP))
    processes = host().processes
    assert isinstance(processes, Processes)
    (worker,) = holders(Sessions((behind,), 0, 0, "test"), processes)
    assert worker.label == f"http_worker {FIRST_HTTP} (through PgBouncer)" and worker.is_odoo and not worker.pooler


@given(st.text(max_size=400), st.integers(2, 90))
def test_a_statement_is_one_short_line(query: str, width: int) -> None:
    line = short_statement(query, width)
    assert len(line) <= width and len(line.splitlines()) <= 1
    assert short_statement(None) == "not visible"


def test_gaps_are_told() -> None:
    masked = structs.replace(backend(1), masked=True, state=None)
    assert unseen_states(_sessions((FIRST_HTTP, masked))) is not None
    assert unseen_states(_sessions((FIRST_HTTP, backend(1)))) is None
    remote = _sessions((None, backend(1, addr="10.0.0.9", application_name="odoo-4")))
    assert unseen_owners(remote) is not None
    nameless = _sessions((None, backend(1, addr="10.0.0.9", application_name="")))
    assert unseen_owners(nameless) is None and unseen_owners(nameless, ("odoo",)) is not None
