"""Who is condemned and who is protected, on built snapshots of every kind of session."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.fixes.reaping import Condemned, Protection, ReapPolicy, Round, chosen_session, judge_round
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot, not_collected
from slotwise.snapshot.postgres import Activity, Backend
from tests.build import FIRST_CRON, FIRST_HTTP, GEVENT, MASTER, NOW, backend, host, topology

STUCK = "SELECT id FROM res_partner"
LOCK = "SELECT * FROM ir_cron WHERE active = true AND nextcall <= now() LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
ALL = ReapPolicy(idle_in_transaction_seconds=60, idle_seconds=60, active_seconds=60, at_most=1000)
IN_TX = "idle in transaction"


def judged(snapshot: Snapshot, policy: ReapPolicy = ALL) -> Round:
    result = judge_round(snapshot, policy)
    assert isinstance(result, Round)
    return result


def pids(snapshot: Snapshot, policy: ReapPolicy = ALL) -> set[int]:
    return {one.pid for one in judged(snapshot, policy).condemned}


def stuck(pid: int = 1000, **changes: object) -> Backend:
    return structs.replace(backend(pid, state=IN_TX, idle_for=900, query=STUCK), **changes)


def test_a_stuck_request_is_condemned_with_its_owner_and_reason() -> None:
    (one,) = judged(host([(FIRST_HTTP, stuck())])).condemned
    assert (one.pid, one.kind, one.seconds, one.owner) == (1000, IN_TX, 900, f"http_worker {FIRST_HTTP}")
    assert one.reason == "idle in transaction for 900 s, the policy allows 60 s"
    assert (one.backend_start, one.since) == (NOW - 300, NOW - 900)


@pytest.mark.parametrize(
    ("owner", "row", "why"),
    [
        (FIRST_HTTP, stuck(user="postgres"), "superuser"),
        (None, stuck(user="rdsadmin"), "not visible"),
        (None, stuck(user="stranger"), "not visible"),
        (None, stuck(application_name="pg_dump"), "pg_dump"),
        (FIRST_HTTP, stuck(masked=True), "too little"),
        (FIRST_CRON, stuck(query=LOCK), "scheduled action"),
        (FIRST_CRON, backend(1, "postgres", idle_for=99999), "listens"),
        (GEVENT, backend(1, "postgres", idle_for=99999), "listens"),
        (None, backend(1, "postgres", idle_for=99999, application_name=""), "may listen"),
        (FIRST_HTTP, backend(1, idle_for=99999, query="LISTEN queue_job"), "listens"),
        (FIRST_HTTP, backend(1, idle_for=99999, query="UPDATE queue_job SET state = 'enqueued'"), "queue_job"),
        (MASTER, backend(1, idle_for=99999), "may listen"),
        (None, backend(1, state="active", idle_for=9999, query="COPY public.t (id) TO stdout;"), "backup"),
        (None, stuck(backend_type="walsender"), None),
        (None, stuck(backend_type="autovacuum worker"), None),
        (None, stuck(backend_type="parallel worker"), None),
        (None, stuck(application_name="slotwise"), None),
    ],
)
def test_protected_sessions_are_never_condemned(owner: int | None, row: Backend, why: str | None) -> None:
    seen = judged(host([(owner, row)]))
    assert seen.condemned == ()
    if why is not None:
        assert [why in one.protection.reason for one in seen.spared] == [True], seen.spared


def test_an_update_is_protected_by_its_process() -> None:
    roles = {**topology(), 700: "cli"}
    (one,) = judged(host([(700, stuck())], roles=roles)).spared
    assert "odoo-bin command" in one.protection.reason


def test_a_running_scheduled_actions_other_cursors_are_protected_and_other_processes_are_not() -> None:
    held = [
        (FIRST_CRON, stuck(1, query=LOCK)),
        (FIRST_CRON, stuck(2)),
        (FIRST_CRON, backend(3, state="active", idle_for=900, query="UPDATE sale_order SET x = 1")),
        (FIRST_CRON + 1, stuck(4)),
        (FIRST_HTTP, stuck(5)),
    ]
    assert pids(host(held)) == {4, 5}


def test_where_processes_are_not_seen_a_running_action_protects_its_whole_database() -> None:
    held = [(FIRST_CRON, stuck(1, query=LOCK)), (FIRST_HTTP, stuck(2)), (FIRST_HTTP, stuck(3, database="other"))]
    blind = structs.replace(host(held), processes=not_collected("/proc"), sockets=not_collected("sockets"))
    assert pids(blind) == {3}


def test_behind_a_pooler_listeners_and_a_running_action_are_protected_too() -> None:
    held: list[tuple[int | None, Backend]] = [
        (60, stuck(1, query=LOCK, application_name="")),
        (60, stuck(2, application_name="")),
        (60, backend(3, "postgres", idle_for=99999, application_name="")),
        (60, stuck(4, database="other", application_name="")),
        (60, backend(5, "other", idle_for=99999, application_name="")),
    ]
    pooled = host(held, roles={**topology(), 60: "pgbouncer"})
    assert pids(pooled) == {4}


def test_an_idle_session_that_may_listen_on_an_application_database_is_left() -> None:
    """Once committed, a LISTEN is not visible; what can be known is whose session it is and how it was opened."""
    idle = {"idle_for": 99999, "query": "COMMIT"}
    held = [
        (FIRST_HTTP, backend(1, **idle)),
        (FIRST_HTTP, backend(2, application_name="", **idle)),
        (FIRST_CRON, backend(3, application_name="my-addon", **idle)),
        (GEVENT, backend(4, **idle)),
        (MASTER, backend(5, **idle)),
        (FIRST_HTTP, backend(6, idle_for=99999, query="BEGIN; LISTEN mine; COMMIT")),
        (FIRST_CRON, backend(7, **idle)),
    ]
    assert pids(host(held)) == {1, 7}
    threaded = host([(MASTER, backend(1, **idle))], roles={MASTER: "threaded"})
    assert pids(threaded) == set()


def test_only_who_is_named_and_only_beyond_the_limit() -> None:
    held = [
        (FIRST_HTTP, stuck(1)),
        (FIRST_HTTP, stuck(2, database="test_a")),
        (FIRST_HTTP, stuck(3, application_name="report")),
        (FIRST_HTTP, backend(4, state=IN_TX, idle_for=59, query=STUCK)),
        (FIRST_HTTP, backend(5, idle_for=99999)),
        (FIRST_HTTP, stuck(6, state="idle in transaction (aborted)")),
    ]
    only = ReapPolicy(idle_in_transaction_seconds=60, at_most=100)
    assert pids(host(held), only) == {1, 2, 3, 6}
    assert pids(host(held), structs.replace(only, databases=("test_*",))) == {2}
    assert pids(host(held), structs.replace(only, applications=("rep*",))) == {3}
    assert pids(host(held), structs.replace(only, roles=("somebody",))) == set()


def test_a_round_ends_the_longest_first_and_puts_off_the_rest() -> None:
    held = [(FIRST_HTTP, stuck(n, state_change=NOW - 100 * n)) for n in range(1, 8)]
    seen = judged(host(held), structs.replace(ALL, at_most=2))
    assert [one.pid for one in seen.condemned] == [7, 6]
    assert seen.deferred == 5


def test_times_are_told_by_the_servers_own_clock() -> None:
    snapshot = host([(FIRST_HTTP, stuck())])
    assert isinstance(snapshot.activity, Activity)
    shifted = structs.replace(snapshot, activity=structs.replace(snapshot.activity, shift_seconds=50.0))
    (one,) = judged(shifted).condemned
    assert (one.backend_start, one.since) == (NOW - 350, NOW - 950)


def test_what_cannot_be_seen_is_not_judged() -> None:
    blind = structs.replace(host(), activity=not_collected("pg_stat_activity"))
    assert isinstance(judge_round(blind, ALL), Unavailable)
    masked = host([(FIRST_HTTP, stuck(masked=True, state=None, state_change=None))])
    assert judged(masked).unseen == 1


def test_a_limit_below_odoos_own_is_cautioned() -> None:
    assert "120 s" in (judged(host(), ReapPolicy(active_seconds=60)).caution or "")
    assert judged(host(), ReapPolicy(active_seconds=120)).caution is None
    assert judged(host(), ReapPolicy(idle_seconds=1)).caution is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["idle", IN_TX, "active", "idle in transaction (aborted)"]),
            st.sampled_from(["prod", "postgres"]),
            st.sampled_from(["odoo", "postgres", "stranger"]),
            st.sampled_from(["odoo-100", "", "pg_dump", "slotwise"]),
            st.sampled_from(["COMMIT", STUCK, LOCK, "LISTEN imbus"]),
            st.sampled_from([FIRST_HTTP, FIRST_CRON, GEVENT, MASTER, None]),
        ),
        max_size=12,
    )
)
def test_no_mix_of_sessions_condemns_a_protected_one(mix: list[tuple[str, str, str, str, str, int | None]]) -> None:
    held = [
        (owner, backend(n, database, state, user=user, application_name=name, query=query, idle_for=9999))
        for n, (state, database, user, name, query, owner) in enumerate(mix, 1)
    ]
    jobs = {owner for (state, _, _, name, query, owner) in mix if query == LOCK and name != "slotwise"}
    for one in judged(host(held)).condemned:
        state, database, user, name, query, owner = mix[one.pid - 1]
        assert user == "odoo" and name not in ("pg_dump", "slotwise") and query not in (LOCK, "LISTEN imbus")
        assert owner is None or owner not in jobs
        assert not (state == "idle" and database == "postgres" and owner in (FIRST_CRON, GEVENT, MASTER))


def test_a_chosen_session_has_the_same_guards_and_no_limit() -> None:
    snapshot = host([(FIRST_HTTP, backend(1, idle_for=1)), (FIRST_CRON, stuck(2, query=LOCK)), (FIRST_HTTP, stuck(3))])
    assert isinstance(chosen_session(snapshot, 1, NOW - 300, "chosen"), Condemned)
    assert isinstance(chosen_session(snapshot, 2, NOW - 300, "chosen"), Protection)
    gone = chosen_session(snapshot, 3, NOW - 299, "chosen")
    assert isinstance(gone, Protection) and "another session" in gone.reason
    assert isinstance(chosen_session(snapshot, 99, NOW, "chosen"), Protection)
