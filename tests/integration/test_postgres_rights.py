"""What a collection sees of a real server, by role: right answers or gaps, never wrong counts."""

from __future__ import annotations

import psycopg
import pytest

from slotwise.capacity.slots import Slots, slots
from slotwise.collectors.runner import Request, collect
from slotwise.demo.postgres_server import PostgresServer
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.ownership import Sessions
from slotwise.snapshot.postgres import Activity, Locks, Overrides, Roles, Server, Settings
from slotwise.snapshot.sessions import sessions
from tests.servers import create_odoo, until

ROLES = ("postgres", "watcher", "odoo", "stranger")


@pytest.fixture(scope="module")
def server(postgres_server: PostgresServer) -> PostgresServer:
    with psycopg.connect(postgres_server.dsn(), autocommit=True) as admin:
        known = {row[0] for row in admin.execute("SELECT datname FROM pg_database").fetchall()}
        create_odoo(postgres_server, [name for name in ("prod",) if name not in known])
        roles = {row[0] for row in admin.execute("SELECT rolname FROM pg_roles").fetchall()}
        for role in {"watcher", "stranger"} - roles:
            admin.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 7")
        admin.execute("GRANT pg_monitor TO watcher")
        admin.execute("ALTER ROLE odoo IN DATABASE prod SET statement_timeout = '17min'")
    return postgres_server


def look(server: PostgresServer, role: str, database: str = "postgres") -> Snapshot:
    return collect(Request(dsn=server.dsn(role, database), timeout_seconds=20))[0]


@pytest.mark.parametrize("role", ROLES)
def test_every_role_counts_right_or_says_that_it_cannot(server: PostgresServer, role: str) -> None:
    held = [psycopg.connect(server.dsn("odoo", "prod"), autocommit=True) for _ in range(3)]
    pids = {connection.info.backend_pid for connection in held}
    try:
        snapshot = look(server, role)
    finally:
        for connection in held:
            connection.close()
    assert isinstance(snapshot.activity, Activity) and isinstance(snapshot.server, Server)
    seen = {b.pid: b for b in snapshot.activity.backends if b.pid in pids}
    assert seen.keys() == pids
    assert all((b.database, b.user) == ("prod", "odoo") for b in seen.values())
    hidden = role == "stranger"
    assert all(b.masked is hidden for b in seen.values())
    assert all((b.state is None) is hidden and (b.application_name is None) is hidden for b in seen.values())
    assert snapshot.server.is_superuser is (role == "postgres")
    assert snapshot.server.reads_all_stats is (role in ("postgres", "watcher"))
    assert snapshot.server.major == server.major_version
    counted = sessions(snapshot)
    assert isinstance(counted, Sessions) and counted.own == 1


def test_roles_limits_and_settings_by_role_are_read(server: PostgresServer) -> None:
    snapshot = look(server, "odoo", "prod")
    assert isinstance(snapshot.roles, Roles) and isinstance(snapshot.overrides, Overrides)
    stranger, postgres = snapshot.roles.find("stranger"), snapshot.roles.find("postgres")
    assert stranger is not None and stranger.connection_limit == 7 and not stranger.superuser
    assert postgres is not None and postgres.superuser
    assert (stranger.reserved is None) is (server.major_version < 16)
    own = [o for o in snapshot.overrides.overrides if o.role == "odoo"]
    assert [(o.database, o.name, o.value) for o in own] == [("prod", "statement_timeout", "17min")]
    assert isinstance(slots(snapshot), Slots)


def test_the_settings_are_the_servers_and_not_those_of_this_session(server: PostgresServer) -> None:
    for role, database in (("postgres", "postgres"), ("odoo", "postgres")):
        settings = look(server, role, database).settings
        assert isinstance(settings, Settings)
        assert settings.integer("statement_timeout") == settings.integer("lock_timeout") == 0
        assert settings.integer("max_connections") > 0
        assert (settings.find("reserved_connections") is None) is (server.major_version < 16)


def test_who_waits_for_whom_is_asked_only_for_sessions_that_wait(server: PostgresServer) -> None:
    quiet = look(server, "postgres").locks
    assert quiet == Locks(())
    with psycopg.connect(server.dsn("odoo", "prod")) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(20)")
        waiter = psycopg.connect(server.dsn("odoo", "prod"), autocommit=True)
        try:
            waiter.pgconn.send_query(b"SELECT pg_advisory_lock(20)")

            def blocked() -> Locks | None:
                locks = look(server, "odoo").locks
                return locks if isinstance(locks, Locks) and locks.blocked else None

            locks = until(blocked)
            assert isinstance(locks, Locks)
            who = (waiter.info.backend_pid, (holder.info.backend_pid,))
            assert [(b.pid, b.blockers) for b in locks.blocked] == [who]
        finally:
            waiter.close()
