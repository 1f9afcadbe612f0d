"""Sick installations on real servers: fix, apply, verify, doctor healthy; a second time nothing; rollback exactly.

Here each start runs on one version of PostgreSQL and PgBouncer; ``python -m bench.fix`` runs them on all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from slotwise.demo.postgres_server import PostgresServer
from tests.conftest import StartPgBouncer, StartPostgres, StartStandin
from tests.integration.sick import STARTS, Patient, sick

CASES = [
    # start, PostgreSQL, whether behind the newest PgBouncer rather than the installed one
    ("too few slots", 18, False),
    ("a wildcard that multiplies", 18, True),
    ("everything in transaction mode", 16, True),
    ("session mode, nothing is shared", 15, False),
    ("default pools", 16, False),
    ("harmful timeouts", 15, False),
    ("a superuser role", 16, False),
    ("twenty databases", 15, False),
]


@pytest.fixture
def patient(
    start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer, start_standin: StartStandin, tmp_path: Path
) -> Callable[..., Patient]:
    def make(name: str, version: int, program: Path | None = None) -> Patient:
        server = start_postgres(version, STARTS[name].settings)
        return sick(STARTS[name], server, tmp_path / "state", start_standin, start_pgbouncer, program)

    return make


@pytest.mark.parametrize(("name", "version", "newest"), CASES, ids=[name.replace(" ", "-") for name, *_ in CASES])
def test_cured(
    patient: Callable[..., Patient], name: str, version: int, newest: bool, request: pytest.FixtureRequest
) -> None:
    one = patient(name, version, request.getfixturevalue("newest_program") if newest else None)
    before = state(one)
    assert STARTS[name].rule in one.found()
    _, said = one.fix("--apply", "--yes")
    assert "applied: change" in said, said
    one.restart_odoo()
    assert set(one.found()) <= STARTS[name].left
    assert one.broken() == {}
    after = state(one)
    assert after != before
    assert "Nothing to change here." in one.fix("--apply", "--yes")[1]
    assert state(one) == after
    code, said = one.fix("--rollback")
    assert code == 0, said
    assert state(one) == before


def test_a_new_pooler_keeps_odoo_alive(patient: Callable[..., Patient], newest_program: Path) -> None:
    one = patient("default pools", 18)
    one.fix("--apply", "--yes")
    one.restart_odoo()
    with one.pooler_put_in_between(newest_program):
        assert one.found() == {}
        assert one.broken() == {}


def test_databases_are_pinned_only_on_request(patient: Callable[..., Patient]) -> None:
    """Pinning would take away the databases that nobody has used yet."""
    one = patient("twenty databases", 18)
    assert "+db_name = " not in one.fix()[1]
    assert "+db_name = " in one.fix("--select", "databases-unpinned")[1]


def state(one: Patient) -> tuple[Any, ...]:
    return *one.files(), overrides(one.server)


def overrides(server: PostgresServer) -> list[Any]:
    with psycopg.connect(server.dsn()) as session:
        settings = session.execute("SELECT * FROM pg_db_role_setting ORDER BY 1, 2").fetchall()
        return settings + session.execute("SELECT rolname, rolsuper, rolconnlimit FROM pg_roles ORDER BY 1").fetchall()


def test_root_needs_no_password_for_the_console(patient: Callable[..., Patient]) -> None:
    """As the OS user of PgBouncer over its socket; an ordinary user names the console with --pgbouncer."""
    import os

    from slotwise.apply.servers import Servers
    from slotwise.collectors.runner import Request, collect
    from slotwise.commands.fix_ground import reach_of

    one = patient("session mode, nothing is shared", 15)
    assert one.pooler is not None
    snapshot, _ = collect(
        Request(dsn=one.server.dsn(), pgbouncer_dsns=(one.pooler.dsn("postgres"),), timeout_seconds=60)
    )
    consoles = reach_of(snapshot, None, ()).consoles
    assert bool(consoles) == (os.geteuid() == 0)
    for address in consoles:
        assert Servers(None, consoles).pause(address, 5) == ()
