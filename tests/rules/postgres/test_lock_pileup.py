from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import EndSession, Severity
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Activity, Blocked, Locks
from tests.build import FIRST_HTTP, backend, findings, host, mended, topology, verdict

SLUG = "lock-pileup"
ROOT = 1


def _pile(waiters: int, waited: float, root_owner: int = FIRST_HTTP, chain: bool = False, **root: object) -> Snapshot:
    held = [(root_owner, backend(ROOT, **{"state": "idle in transaction", "idle_for": 90, **root}))]  # type: ignore[arg-type]
    waiting = [
        (FIRST_HTTP + 1, backend(100 + n, state="active", idle_for=waited, wait=("Lock", "transactionid")))
        for n in range(waiters)
    ]
    blocked = tuple(Blocked(100 + n, (100 + n - 1,) if chain and n else (ROOT,)) for n in range(waiters))
    snapshot = host([*held, *waiting], roles={**topology(), 301: "cli", 302: "unknown"})
    return structs.replace(snapshot, locks=Locks(blocked))


def test_silent_without_waiters_and_for_a_moments_wait() -> None:
    assert findings(host(), SLUG) == ()
    assert findings(_pile(2, 5), SLUG) == ()


def test_speaks_of_the_root_and_its_owner_not_of_the_waiters() -> None:
    (finding,) = findings(_pile(3, 5, chain=True, query="UPDATE stock_quant SET x = 1"), SLUG)
    assert "3 sessions wait" in finding.message and f"pid {ROOT} of http_worker {FIRST_HTTP}" in finding.message
    assert "UPDATE stock_quant" in finding.message and finding.severity is Severity.WARNING
    assert finding.fix is not None and [c.pid for c in finding.fix.changes if isinstance(c, EndSession)] == [ROOT]


def test_one_waiter_for_half_a_minute_is_enough_and_five_are_critical() -> None:
    assert len(findings(_pile(1, 31), SLUG)) == 1
    (finding,) = findings(_pile(5, 12), SLUG)
    assert finding.severity is Severity.CRITICAL


def test_a_prepared_transaction_and_a_background_process_are_not_ended() -> None:
    snapshot = structs.replace(_pile(3, 40), locks=Locks(tuple(Blocked(100 + n, (0,)) for n in range(3))))
    (finding,) = findings(snapshot, SLUG)
    assert "a prepared transaction" in finding.message and finding.fix is not None
    assert not [c for c in finding.fix.changes if isinstance(c, EndSession)]
    pile = _pile(3, 40)
    assert isinstance(pile.activity, Activity)
    vacuum = structs.replace(pile.activity.backends[0], backend_type="autovacuum worker", state="active")
    snapshot = structs.replace(pile, activity=Activity((vacuum, *pile.activity.backends[1:]), None))
    (finding,) = findings(snapshot, SLUG)
    assert "autovacuum worker" in finding.message and finding.fix is not None
    assert not [c for c in finding.fix.changes if isinstance(c, EndSession)]


def test_a_running_update_is_named_as_what_would_be_lost() -> None:
    (finding,) = findings(_pile(3, 40, root_owner=301, state="active"), SLUG)
    assert "cli 301" in finding.message and finding.fix is not None and "has to run again" in (finding.fix.risk or "")


@given(st.integers(1, 9), st.floats(30, 900), st.booleans())
def test_its_own_fix_silences_it(waiters: int, waited: float, chain: bool) -> None:
    snapshot = _pile(waiters, waited, chain=chain)
    assert findings(snapshot, SLUG)
    after = mended(snapshot, SLUG)
    # Behind the ended root its first waiter holds the next place: without a wait left, nobody is a root.
    assert isinstance(after.locks, Locks) and not after.locks.blocked


def test_unknown_where_someone_waits_and_blockers_were_not_read() -> None:
    gap = Unavailable("pg_blocking_pids()", "refused", "connect")
    assert verdict(structs.replace(_pile(3, 40), locks=gap), SLUG).state == "unknown"
    assert findings(structs.replace(host(), locks=gap), SLUG) == ()
    masked = structs.replace(backend(1), masked=True, state=None, wait_event_type=None)
    assert verdict(structs.replace(host([(FIRST_HTTP, masked)]), locks=gap), SLUG).state == "unknown"
