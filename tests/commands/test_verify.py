"""verify against real servers: direct, through PgBouncer as the guide writes it, and as Odoo needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from slotwise.collectors.path_probes import queue_job_listen
from slotwise.commands.verify import VerifyRequest, verify
from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.demo.postgres_server import PostgresServer, PostgresServers
from slotwise.errors import ExitCode
from slotwise.fixes.path_checks import PathReport
from tests.conftest import StartPgBouncer
from tests.servers import MAJOR_VERSIONS, binaries_for, create_odoo

IDS = [
    "listen-notify", "repeatable-read", "discard-all", "nested-cursors", "session-set-leak", "session-advisory-lock",
    "temporary-table", "named-cursor", "prepared-statement", "copy", "large-statement", "cancel", "application-name",
    "autocommit-ddl", "pool-limit", "queue-job-listen",
]  # fmt: skip


@pytest.fixture(scope="module", params=MAJOR_VERSIONS, ids=lambda version: f"pg{version}")
def server(request: pytest.FixtureRequest, postgres_servers: PostgresServers) -> Iterator[PostgresServer]:
    with postgres_servers.start(binaries_for(request.param)) as running:
        create_odoo(running, ["prod"])
        yield running


Pooled = Callable[..., PgBouncerServer]


@pytest.fixture
def pooled(server: PostgresServer, start_pgbouncer: StartPgBouncer) -> Pooled:
    def start(postgres: str | None, mode: str, **settings: str) -> PgBouncerServer:
        to = f"host=127.0.0.1 port={server.port}"
        databases = {} if postgres is None else {"postgres": f"{to} pool_mode={postgres}"}
        return start_pgbouncer({**databases, "*": to}, {"pool_mode": mode, "stats_users": "odoo", **settings})

    return start


def states(report: PathReport) -> dict[str, str]:
    return {check.id: check.state for check in report.checks}


def seen(report: PathReport, id_: str) -> dict[str, object]:
    (check,) = [check for check in report.checks if check.id == id_]
    return {one.name: one.value for one in check.evidence}


def test_everything_works_directly(server: PostgresServer) -> None:
    report = verify(VerifyRequest(dsn=server.dsn("odoo", "prod")))
    assert states(report) == dict.fromkeys(sorted(IDS), "works")
    assert report.exit_code == ExitCode.HEALTHY
    assert report.through_pooler is False


def test_the_guides_own_file_silences_the_bus(
    server: PostgresServer, pooled: Pooled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_job_listen, "PATIENCE_SECONDS", 1.0)
    pool = pooled(None, "transaction", max_client_conn="500", default_pool_size="25")
    report = verify(VerifyRequest(dsn=pool.dsn("odoo", "prod"), direct=server.dsn("odoo", "prod")))
    found = states(report)
    assert {id_ for id_, state in found.items() if state == "broken"} == {"listen-notify"}
    assert {id_ for id_, state in found.items() if state == "unknown"} == set()
    evidence = seen(report, "listen-notify")
    assert evidence["notifications arrived"] == 0
    assert (evidence["direct"], evidence["cause"]) == ("works", "the pooler breaks it")
    assert report.exit_code == ExitCode.FINDINGS
    assert report.through_pooler is True
    (check,) = [check for check in report.checks if check.state == "broken"]
    assert "live chat" in check.consequence and "scheduled actions" in check.consequence


def test_postgres_in_session_mode_is_all_green(pooled: Pooled) -> None:
    pool = pooled("session", "transaction")
    report = verify(VerifyRequest(dsn=pool.dsn("odoo", "prod"), workers=8, max_cron_threads=2))
    found = states(report)
    assert set(found.values()) <= {"works", "not-needed"}
    assert {id_ for id_, state in found.items() if state == "not-needed"} == {
        "session-set-leak", "session-advisory-lock", "named-cursor", "prepared-statement", "application-name",
        "queue-job-listen",
    }  # fmt: skip
    assert report.exit_code == ExitCode.HEALTHY
    assert seen(report, "nested-cursors")["pool size"] == 20


def test_session_mode_for_everything_is_green_too(pooled: Pooled) -> None:
    report = verify(VerifyRequest(dsn=pooled(None, "session").dsn("odoo", "prod")))
    found = states(report)
    assert set(found.values()) == {"works"} or {k for k, v in found.items() if v != "works"} == {"application-name"}
    assert report.exit_code == ExitCode.HEALTHY
