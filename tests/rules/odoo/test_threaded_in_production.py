from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.findings import Manual, SetOdooOption
from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.processes import Host
from tests.build import GIB, MASTER, backend, findings, host, mended, verdict

SLUG = "threaded-in-production"


def _threaded(sessions: int = 3, **options: object) -> Snapshot:
    held = [(MASTER, backend(1000 + n)) for n in range(sessions)]
    held += [(MASTER, backend(2000 + n, "postgres")) for n in range(2)]
    values = {"workers": 0, "proxy_mode": False, "db_maxconn": 64, **options}
    return host(held, roles={MASTER: "threaded"}, options=values)


def test_silent_in_prefork() -> None:
    assert findings(host(), SLUG) == ()


def test_silent_on_a_development_machine() -> None:
    assert findings(_threaded(), SLUG) == ()
    assert findings(_threaded(sessions=30, dev_mode="xml,reload"), SLUG) == ()
    assert findings(_threaded(proxy_mode=True, dev_mode="all"), SLUG) == ()
    assert findings(_threaded(sessions=30, test_enable=True), SLUG) == ()


def test_speaks_behind_a_proxy() -> None:
    (finding,) = findings(_threaded(proxy_mode=True), SLUG)
    assert "behind a proxy" in finding.message


def test_speaks_where_concurrent_requests_are_seen_and_listeners_do_not_count() -> None:
    (finding,) = findings(_threaded(sessions=12), SLUG)
    assert "12 pooled connections" in finding.message
    assert findings(_threaded(sessions=9), SLUG) == ()


def test_dev_mode_replica_is_no_sign_of_development() -> None:
    assert findings(_threaded(sessions=12, dev_mode="replica"), SLUG)


def test_workers_fit_cores_memory_and_slots() -> None:
    def workers(snapshot: Snapshot) -> str | None:
        fix = findings(snapshot, SLUG)[0].fix
        assert fix is not None
        return next((c.value for c in fix.changes if isinstance(c, SetOdooOption) and c.option == "workers"), None)

    big = structs.replace(_threaded(proxy_mode=True), machine=Host("h", 64 * GIB, None, None, 8.0))
    assert workers(big) == "16"
    small = structs.replace(big, machine=Host("h", 2 * GIB, None, None, 8.0))
    assert workers(small) == "3"
    # 30 slots: 0.7 × 27 = 18; two cron workers take 8, gevent 6, so two workers fit.
    few = host([], roles={MASTER: "threaded"}, options={"workers": 0}, settings_={"max_connections": "30"})
    assert workers(few) == "2"
    none = host([], roles={MASTER: "threaded"}, options={"workers": 0}, settings_={"max_connections": "20"})
    assert workers(none) is None


def test_without_the_machine_it_names_no_number() -> None:
    gap = Unavailable("host", "remote", "run there")
    fix = findings(structs.replace(_threaded(proxy_mode=True), machine=gap), SLUG)[0].fix
    assert fix is not None and all(isinstance(c, Manual) for c in fix.changes)


@given(st.integers(1, 64), st.integers(2, 256), st.integers(40, 2000))
def test_its_own_fix_silences_it(cores: int, gib: int, maximum: int) -> None:
    snapshot = host([], roles={MASTER: "threaded"}, options={"workers": 0}, settings_={"max_connections": str(maximum)})
    snapshot = structs.replace(snapshot, machine=Host("h", gib * GIB, None, None, float(cores)))
    after = mended(snapshot, SLUG)
    assert findings(after, SLUG) == ()
    assert findings(after, "workers-oversubscribe-cores") == ()


def test_unknown_without_configuration() -> None:
    assert verdict(structs.replace(host(), odoo=Unavailable("Odoo", "x", "y")), SLUG).state == "unknown"
