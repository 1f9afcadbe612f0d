"""What a change stands on, read from real servers, a real standby, and made-up /proc and /sys."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from slotwise.apply.ground import huge_pages_bytes, parent_is_patroni, read_files, read_postgres
from slotwise.apply.servers import Way
from slotwise.collectors.runner import Request, collect
from slotwise.commands.fix_ground import server_memory_limit_bytes
from slotwise.demo.postgres_server import PostgresServer, PostgresServers, identity, server_os_user
from slotwise.errors import OperatorError
from slotwise.fixes.ground import PostgresGround
from slotwise.fixes.refusals import refusals
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.postgres import Settings
from tests.conftest import StartPostgres
from tests.servers import create_odoo, until

MIB = 1024 * 1024


def seen(server: PostgresServer) -> tuple[Snapshot, PostgresGround]:
    snapshot, _ = collect(Request(dsn=server.dsn(), timeout_seconds=60))
    return snapshot, read_postgres(Way(server.dsn()), snapshot, None, ("odoo",))


def refused(server: PostgresServer, done: bool = False, **wanted: str) -> list[str]:
    """What would not be set, and why."""
    snapshot, ground = seen(server)
    assert isinstance(snapshot.settings, Settings)
    return [f"{one.what}: {one.why}" for one in refusals(wanted, snapshot.settings, ground, None, done)]


@pytest.fixture
def primary(start_postgres: StartPostgres) -> PostgresServer:
    return start_postgres(15, {"max_connections": "100"})


@pytest.fixture
def standby(primary: PostgresServer, postgres_servers: PostgresServers) -> Iterator[PostgresServer]:
    """A hot standby of its own, made by pg_basebackup, that streams."""
    home = postgres_servers.directory / f"standby-{primary.port}"
    home.mkdir()
    user = server_os_user()
    if user is not None:
        os.chown(home, user.pw_uid, user.pw_gid)
    way = ["-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres"]
    command = [primary.bin_dir / "pg_basebackup", "-D", home / "data", "-R", "-X", "stream", "-c", "fast", *way]
    subprocess.run(command, check=True, capture_output=True, **identity(user))
    with PostgresServer(15, primary.bin_dir, home, user, {"max_connections": "150"}, ()) as server:
        server.start()
        with psycopg.connect(primary.dsn(), autocommit=True) as session:
            until(lambda: session.execute("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'").fetchone())
        yield server


def test_a_standby_is_not_set_below_its_primary(primary: PostgresServer, standby: PostgresServer) -> None:
    _, ground = seen(standby)
    assert ground.in_recovery and ground.primary_values["max_connections"] == "100"
    assert refused(standby, max_connections="120") == []
    (words,) = refused(standby, max_connections="90")
    assert "the primary has 100" in words
    # That it is so: PostgreSQL itself would not start.
    with pytest.raises(OperatorError, match="did not start"):
        standby.restart({"max_connections": "90"})
    assert "max_connections = 90 is a lower setting than on the primary server" in standby.log_text()
    standby.restart({"max_connections": "120"})


def test_a_primary_is_not_raised_above_its_standbys(primary: PostgresServer, standby: PostgresServer) -> None:
    _, ground = seen(primary)
    assert [one.name for one in ground.standbys] == ["walreceiver"] and not ground.in_recovery
    (words,) = refused(primary, max_connections="400")
    assert "standbys stream from this server (walreceiver)" in words
    assert refused(primary, done=True, max_connections="400") == []
    assert refused(primary, max_connections="90") == []
    # That it is so: the standby has 150 and stops replaying.
    primary.restart({"max_connections": "400"})
    with psycopg.connect(standby.dsn(), autocommit=True) as session:
        paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'"
        until(lambda: session.execute(paused).fetchone() == (True,))


def test_a_backup_that_runs_is_no_standby(primary: PostgresServer) -> None:
    """pg_receivewal and logical subscribers stream too, and need no slots of their own."""
    receiver = subprocess.Popen(
        [primary.bin_dir / "pg_receivewal", "-D", primary.data_dir.parent, "-d", primary.dsn()],
        stderr=subprocess.DEVNULL,
        **identity(server_os_user()),
    )
    try:
        with psycopg.connect(primary.dsn(), autocommit=True) as session:
            until(lambda: session.execute("SELECT 1 FROM pg_stat_replication").fetchone())
            assert seen(primary)[1].standbys == ()
    finally:
        receiver.kill()
        receiver.wait()


def test_the_server_as_it_may_be_changed(start_postgres: StartPostgres) -> None:
    server = start_postgres(18, {"max_connections": "60"})
    create_odoo(server)
    conf_d = server.data_dir / "conf.d"
    conf_d.mkdir()
    with (server.data_dir / "postgresql.conf").open("a") as conf:
        conf.write("include_dir = 'conf.d'\nwork_mem = '8MB'\n")
    with psycopg.connect(server.dsn(), autocommit=True) as session:
        session.execute("ALTER SYSTEM SET random_page_cost = '1.1'")
        session.execute("ALTER ROLE odoo PASSWORD 'x'")
        session.execute("CREATE TABLE one (id int PRIMARY KEY)")
        session.execute("SELECT pg_reload_conf()")
    with psycopg.connect(server.dsn("odoo", "prod")):
        snapshot, ground = seen(server)
    assert (ground.platform, ground.is_superuser, ground.alter_system) == ("self-hosted", True, True)
    assert ground.version_num // 10000 == 18
    assert ground.auto_conf == {"random_page_cost": "1.1"}
    assert ground.include_dir == str(conf_d) and ground.files_writable
    assert ground.late_names == {"work_mem"}
    assert ground.secrets["odoo"].startswith("SCRAM-SHA-256$")
    assert ground.relations is not None and ground.relations > 100
    assert ground.sessions == 1
    assert ground.shared_memory_bytes is not None and ground.shared_memory_bytes > 16 * MIB
    plain = read_postgres(Way(server.dsn("odoo", "prod")), snapshot, "rds")
    assert (plain.platform, plain.is_superuser, plain.secrets, plain.auto_conf) == ("rds", False, {}, {})


def meminfo(root: Path, total: int, free: int, reserved: int) -> Path:
    (root / "proc").mkdir(parents=True)
    lines = {"HugePages_Total": total, "HugePages_Free": free, "HugePages_Rsvd": reserved}
    text = "MemTotal:  24000000 kB\n" + "".join(f"{name}:  {value}\n" for name, value in lines.items())
    (root / "proc/meminfo").write_text(text + "Hugepagesize:  2048 kB\n")
    return root


def test_huge_pages_that_a_restarted_server_finds(tmp_path: Path) -> None:
    own = 25 * MIB
    # 13 pages are its own: it gives them back. Those of others are not for it.
    assert huge_pages_bytes(own, meminfo(tmp_path / "alone", 17, 10, 6)) == 17 * 2 * MIB
    assert huge_pages_bytes(own, meminfo(tmp_path / "shared", 40, 10, 6)) == 17 * 2 * MIB
    assert huge_pages_bytes(own, meminfo(tmp_path / "none", 0, 0, 0)) == 0
    assert huge_pages_bytes(None, tmp_path / "alone") is None
    assert huge_pages_bytes(own, tmp_path / "nowhere") is None
    assert huge_pages_bytes(own) is not None


def test_a_postmaster_of_patroni_is_known(tmp_path: Path) -> None:
    for pid, parent, command in ((70, 60, b"postgres\0-D\0x"), (60, 1, b"python3\0/usr/bin/patroni\0x.yml")):
        (tmp_path / f"proc/{pid}").mkdir(parents=True)
        (tmp_path / f"proc/{pid}/stat").write_text(f"{pid} (postgres (x)) S {parent} 0 0")
        (tmp_path / f"proc/{pid}/cmdline").write_bytes(command)
    assert parent_is_patroni(70, tmp_path) and not parent_is_patroni(60, tmp_path)
    assert not parent_is_patroni(os.getpid())


def test_the_memory_limit_is_that_of_the_servers_own_control_group(primary: PostgresServer, tmp_path: Path) -> None:
    """A unit's MemoryMax= holds for PostgreSQL, not for the shell in which slotwise runs."""
    snapshot, _ = seen(primary)
    unit = "system.slice/postgresql@15-main.service"
    for pid, group in (("self", "user.slice"), (str(primary.pid), unit)):
        (tmp_path / f"proc/{pid}").mkdir(parents=True)
        (tmp_path / f"proc/{pid}/cgroup").write_text(f"0::/{group}\n")
        (tmp_path / f"sys/fs/cgroup/{group}").mkdir(parents=True)
        (tmp_path / f"sys/fs/cgroup/{group}/memory.max").write_text("max\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal: 24000000 kB\n")
    assert server_memory_limit_bytes(snapshot, tmp_path) is None
    (tmp_path / f"sys/fs/cgroup/{unit}/memory.max").write_text(f"{900 * MIB}\n")
    limit = server_memory_limit_bytes(snapshot, tmp_path)
    assert limit == 900 * MIB
    assert isinstance(snapshot.settings, Settings)
    ground = read_postgres(Way(primary.dsn()), snapshot, None)
    assert refusals({"max_connections": "200"}, snapshot.settings, ground, limit) == ()
    (words,) = refusals({"max_connections": "900"}, snapshot.settings, ground, limit)
    assert "the control group allows 900 MiB" in words.why


def test_files_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    found = read_files([str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path)])
    assert list(found.values()) == [b"x", None, None]
