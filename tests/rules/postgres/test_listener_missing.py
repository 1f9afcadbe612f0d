from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from slotwise.snapshot.evidence import Unavailable
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.processes import Processes
from tests.build import (
    FIRST_CRON,
    FIRST_HTTP,
    NOW,
    backend,
    findings,
    host,
    listeners,
    mended,
    pgbouncer,
    topology,
    verdict,
)

SLUG = "listener-missing"


def _started(snapshot: Snapshot, pid: int, seconds_ago: float) -> Snapshot:
    assert isinstance(snapshot.processes, Processes)
    processes = tuple(
        structs.replace(p, started_at=NOW - seconds_ago) if p.pid == pid else p for p in snapshot.processes.processes
    )
    return structs.replace(snapshot, processes=structs.replace(snapshot.processes, processes=processes))


def _held(cron: int) -> list[tuple[int, object]]:
    return [*listeners(cron, websocket=False), (FIRST_HTTP, backend(1))]


def test_silent_with_every_cron_worker_listening_and_no_websocket_yet() -> None:
    assert findings(host(_held(2)), SLUG) == ()  # type: ignore[arg-type]


def test_speaks_of_the_cron_worker_without_a_session_on_postgres() -> None:
    (finding,) = findings(host(_held(1)), SLUG)  # type: ignore[arg-type]
    assert f"cron_worker {FIRST_CRON + 1} has no session on postgres" in finding.message


def test_silent_right_after_a_start() -> None:
    assert findings(_started(host(_held(1)), FIRST_CRON + 1, 20), SLUG) == ()  # type: ignore[arg-type]
    fresh = host(_held(0))  # type: ignore[arg-type]
    fresh = structs.replace(fresh, server=structs.replace(fresh.server, started_at=NOW - 30))
    assert findings(fresh, SLUG) == ()


def test_speaks_of_a_dead_cron_thread_and_its_version() -> None:
    held = [(7, backend(9000, "postgres")), (7, backend(1))]
    (finding,) = findings(host(held, roles={7: "threaded"}, version="17.0"), SLUG)
    assert "1 sessions on postgres" in finding.message and "will not come back" in finding.message
    (later,) = findings(host(held, roles={7: "threaded"}, version="19.0"), SLUG)
    assert "will not come back" not in later.message
    both = [*held, (7, backend(9001, "postgres"))]
    assert findings(host(both, roles={7: "threaded"}), SLUG) == ()


def test_silent_behind_a_pooler_and_where_the_instance_uses_another_server() -> None:
    pooled = host([(60, backend(1, application_name=""))], roles={**topology(), 60: "pgbouncer"})
    pooled = structs.replace(pooled, pgbouncers=structs.replace(pooled.pgbouncers, pgbouncers=(pgbouncer(),)))
    assert verdict(pooled, SLUG).findings == ()
    assert verdict(host([]), SLUG).findings == ()


@given(st.integers(0, 1), st.sampled_from(["17.0", "18.0", "19.0"]))
def test_its_own_fix_silences_it(listening: int, version: str) -> None:
    prefork = host(_held(listening), version=version)  # type: ignore[arg-type]
    assert findings(prefork, SLUG) and findings(mended(prefork, SLUG), SLUG) == ()
    threaded = host([(7, backend(1))], roles={7: "threaded"}, version=version)
    assert findings(threaded, SLUG) and findings(mended(threaded, SLUG), SLUG) == ()


def test_unknown_where_owners_are() -> None:
    gap = Unavailable("sockets", "not permitted", "run as root")
    assert verdict(structs.replace(host(_held(1)), sockets=gap), SLUG).state == "unknown"  # type: ignore[arg-type]
    remote = [*_held(1), (None, backend(9001, "postgres", addr="10.0.0.4"))]
    assert verdict(host(remote), SLUG).state == "unknown"  # type: ignore[arg-type]
    partial = host(_held(1))  # type: ignore[arg-type]
    partial = structs.replace(partial, processes=structs.replace(partial.processes, complete=False))
    assert verdict(partial, SLUG).state == "unknown"
