"""Statements, reloads and settings on real servers: killed at every point, undone exactly, values read back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from slotwise.apply.hand import Hand
from slotwise.apply.journal import Journals
from slotwise.apply.servers import Servers, Way, scram_verifier
from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.demo.postgres_server import PostgresServer, identity, server_os_user
from slotwise.errors import OperatorError
from slotwise.findings import AlterRole, Change, SetServerSetting
from slotwise.fixes.ground import Ground, PostgresGround
from slotwise.fixes.remedy import FixPlan, ReloadPgBouncer, ReloadPostgres, Remedy, RunSql, Step, WriteFile
from slotwise.fixes.requested import Requested
from slotwise.fixes.role_settings import role_remedy
from slotwise.fixes.server_settings import server_remedies
from slotwise.snapshot.postgres import Overrides, Role, Roles, Setting, Settings
from tests.apply.test_crash import killed
from tests.conftest import StartPgBouncer, StartPostgres


def requested(*changes: Change) -> tuple[Requested, ...]:
    return tuple(Requested(change, "a test", None, "SW000") for change in changes)


def plan(*steps: Step) -> FixPlan:
    return FixPlan(remedies=(Remedy(target="test", title="test", reasons=("a test",), steps=steps),))


def role_steps(*changes: AlterRole) -> tuple[Step, ...]:
    roles = Roles((Role("odoo", False, -1, True),))
    remedy, notes = role_remedy(requested(*changes), roles, None, Overrides(()), "here")
    assert remedy is not None and notes == ()
    return remedy.steps


class Server:
    """A PostgreSQL with a conf.d directory, and what it says."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self.conf_d = server.data_dir / "conf.d"
        self.conf_d.mkdir()
        with (server.data_dir / "postgresql.conf").open("a") as conf:
            conf.write("include_dir = 'conf.d'\n")
        self.servers = Servers(Way(server.dsn()))
        self.run("CREATE ROLE odoo LOGIN")

    def run(self, statement: str) -> list[Any]:
        with psycopg.connect(self.server.dsn(), autocommit=True) as session:
            cursor = session.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def ground(self, **more: Any) -> PostgresGround:
        facts: dict[str, Any] = {
            "address": "here",
            "version_num": self.server.major_version * 10000,
            "is_superuser": True,
            "in_recovery": False,
            "platform": "self-hosted",
            "include_dir": str(self.conf_d),
            "files_writable": True,
            "sessions": 1,
            "relations": 400,
            "relations_database": "postgres",
            **more,
        }
        return PostgresGround(**facts)

    def settings(self) -> Settings:
        rows = self.run("SELECT name, setting, unit, source FROM pg_settings")
        return Settings(tuple(Setting(*row) for row in rows))

    def steps(self, *changes: SetServerSetting, **ground: Any) -> tuple[Step, ...]:
        remedies, refused, _ = server_remedies(
            requested(*changes), self.settings(), Ground(postgres=self.ground(**ground)), False
        )
        assert refused == ()
        return tuple(step for remedy in remedies for step in remedy.steps)

    def at_next_start(self, name: str) -> str:
        """What ``postgres -C`` says."""
        command = [str(self.server.bin_dir / "postgres"), "-D", str(self.server.data_dir), "-C", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True, **identity(server_os_user()))
        return done.stdout.strip()


@pytest.fixture(params=(15, 18))
def server(request: pytest.FixtureRequest, start_postgres: StartPostgres) -> Server:
    return Server(start_postgres(request.param))


def apply(server: Server, state: Path, *steps: Step) -> str:
    journals = Journals(state)
    with journals.locked():
        return Hand(journals, server.servers).apply(plan(*steps)).id


def undo(server: Server, state: Path) -> None:
    journals = Journals(state)
    with journals.locked():
        Hand(journals, server.servers).roll_back(journals.find(None))


def test_a_drop_in_decides_and_goes_again(server: Server, tmp_path: Path) -> None:
    wanted = (SetServerSetting("max_connections", "77", True), SetServerSetting("log_line_prefix", "%m 'x' \\ ", False))
    steps = server.steps(*wanted)
    assert [type(step) for step in steps] == [WriteFile, ReloadPostgres]
    journals = Journals(tmp_path / "state")
    with journals.locked():
        applied = Hand(journals, server.servers).apply(plan(*steps))
    assert applied.pending == ("max_connections",)
    assert server.at_next_start("max_connections") == "77"
    assert server.run("SHOW log_line_prefix") == [("%m 'x' \\ ",)]
    file = server.conf_d / "zz-slotwise.conf"
    assert file.stat().st_uid == server.conf_d.stat().st_uid
    assert server.steps(*wanted, drop_in=file.read_bytes()) == ()
    undo(server, tmp_path / "state")
    assert not file.exists()
    assert server.run("SHOW log_line_prefix") == [("%m [%p] ",)]
    assert server.at_next_start("max_connections") == "100"


def test_alter_system_where_the_drop_in_would_not_decide(server: Server, tmp_path: Path) -> None:
    server.run("ALTER SYSTEM SET max_connections = '50'")
    steps = server.steps(SetServerSetting("max_connections", "77", True), auto_conf={"max_connections": "50"})
    assert [type(step) for step in steps] == [RunSql, ReloadPostgres]
    apply(server, tmp_path / "state", *steps)
    assert server.at_next_start("max_connections") == "77"
    undo(server, tmp_path / "state")
    assert server.at_next_start("max_connections") == "50"


def test_a_value_that_the_server_does_not_take_is_put_back(server: Server, tmp_path: Path) -> None:
    steps = server.steps(SetServerSetting("work_mem", "plenty", False))
    with pytest.raises(OperatorError, match="everything was put back"):
        apply(server, tmp_path / "state", *steps)
    assert list(server.conf_d.iterdir()) == []
    assert server.run("SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL") == [(0,)]


def test_the_command_line_is_not_written_over(server: Server) -> None:
    settings = Settings((*server.settings().settings, Setting("port", "1", None, "command line")))
    remedies, _, notes = server_remedies(
        requested(SetServerSetting("port", "5432", True)), Settings(settings.settings[-1:]),
        Ground(postgres=server.ground()), False,
    )  # fmt: skip
    assert remedies == () and "command line" in notes[0]


def test_killed_at_every_point_with_a_real_server(start_postgres: StartPostgres, tmp_path: Path) -> None:
    """File, statements and reload: old or new, and rollback ends in the old state wherever it was killed."""
    server = Server(start_postgres(16))
    steps = (
        *server.steps(SetServerSetting("work_mem", "9MB", False)),
        *role_steps(
            AlterRole("odoo", connection_limit=40),
            AlterRole("odoo", set_name="statement_timeout", set_value="0", database="postgres"),
        ),
    )
    overrides = "SELECT setconfig FROM pg_db_role_setting"
    limit = "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'odoo'"
    for point in range(1, 100):
        state = tmp_path / f"state-{point}"

        def live(point: int = point, state: Path = state) -> None:
            passed = 0

            def notify(name: str) -> None:
                nonlocal passed
                passed += 1
                if passed == point:
                    os.kill(os.getpid(), 9)

            journals = Journals(state)
            with journals.locked():
                Hand(journals, server.servers, notify=notify).apply(plan(*steps))

        died = killed(live)
        journals = Journals(state)
        change = journals.interrupted()
        with journals.locked():
            if change is not None and point % 2:
                Hand(journals, server.servers).resume(change)
                assert server.run(limit) == [(40,)]
                assert server.run(overrides) == [(["statement_timeout=0"],)]
                assert server.run("SHOW work_mem") == [("9MB",)]
            Hand(journals, server.servers).roll_back(journals.all()[-1])
        assert server.run(limit) == [(-1,)]
        assert server.run(overrides) == []
        assert server.run("SHOW work_mem") == [("4MB",)]
        assert list(server.conf_d.iterdir()) == []
        if not died:
            assert point > 12
            return
    raise AssertionError("it never lived through")


@pytest.fixture
def pooler(start_postgres: StartPostgres, start_pgbouncer: StartPgBouncer) -> Iterator[PgBouncerServer]:
    server = start_postgres(15)
    yield start_pgbouncer({"*": f"host=127.0.0.1 port={server.port}"}, {"default_pool_size": "20"})


def pool_size_steps(pooler: PgBouncerServer, size: str) -> tuple[Step, ...]:
    before = pooler.ini_file.read_bytes()
    after = before.replace(b"default_pool_size = 20", f"default_pool_size = {size}".encode())
    return WriteFile(str(pooler.ini_file), before, after), ReloadPgBouncer("here", {"default_pool_size": size})


def pool_size(pooler: PgBouncerServer) -> str:
    """What the running PgBouncer goes by."""
    with psycopg.connect(pooler.dsn("postgres"), autocommit=True) as session:
        result = session.pgconn.exec_(b"SHOW CONFIG")
        rows = [(result.get_value(n, 0), result.get_value(n, 1)) for n in range(result.ntuples)]
    return (dict(rows)[b"default_pool_size"] or b"").decode()


def test_pgbouncer_reads_its_file_or_all_is_put_back(pooler: PgBouncerServer, tmp_path: Path) -> None:
    console = {"here": Way(pooler.dsn("postgres"))}
    before = pooler.ini_file.read_bytes()
    journals = Journals(tmp_path / "state")
    hand = Hand(journals, Servers(None, console))
    with journals.locked():
        with pytest.raises(OperatorError, match="everything was put back"):
            hand.apply(plan(*pool_size_steps(pooler, "many")))
        assert (pool_size(pooler), pooler.ini_file.read_bytes()) == ("20", before)
        hand.apply(plan(*pool_size_steps(pooler, "7")))
        assert pool_size(pooler) == "7"
        hand.roll_back(journals.find(None))
    assert (pool_size(pooler), pooler.ini_file.read_bytes()) == ("20", before)


@pytest.mark.parametrize("finish", [False, True], ids=["undone", "finished"])
def test_killed_at_every_point_around_pgbouncers_reload(pooler: PgBouncerServer, tmp_path: Path, finish: bool) -> None:
    """The file and what PgBouncer runs with are both the old or both the new ones when it was undone or finished, and
    the file is whole in between."""
    servers = Servers(None, {"here": Way(pooler.dsn("postgres"))})
    old = pooler.ini_file.read_bytes()
    new = old.replace(b"default_pool_size = 20", b"default_pool_size = 7")
    for point in range(1, 100):
        state = tmp_path / f"state-{point}"
        steps = pool_size_steps(pooler, "7")

        def live(point: int = point, state: Path = state, steps: tuple[Step, ...] = steps) -> None:
            passed = 0

            def notify(name: str) -> None:
                nonlocal passed
                passed += 1
                if passed == point:
                    os.kill(os.getpid(), 9)

            journals = Journals(state)
            with journals.locked():
                Hand(journals, servers, notify=notify).apply(plan(*steps))

        died = killed(live)
        assert pooler.ini_file.read_bytes() in (old, new)
        journals = Journals(state)
        change = journals.interrupted()
        with journals.locked():
            if change is not None and finish:
                Hand(journals, servers).resume(change)
            if finish or not died:
                assert (pool_size(pooler), pooler.ini_file.read_bytes()) == ("7", new)
            Hand(journals, servers).roll_back(journals.find(None))
        assert (pool_size(pooler), pooler.ini_file.read_bytes()) == ("20", old)
        if not died:
            assert point > 9
            return
    raise AssertionError("it never lived through")


def test_a_verifier_lets_its_password_in(start_postgres: StartPostgres) -> None:
    server = start_postgres(15, hba=("host all looker 127.0.0.1/32 scram-sha-256",))
    with psycopg.connect(server.dsn(), autocommit=True) as session:
        session.execute(f"CREATE ROLE looker LOGIN PASSWORD '{scram_verifier('ge-heim_1')}'".encode())
    with psycopg.connect(server.dsn("looker") + " password=ge-heim_1") as session:
        assert session.execute("SELECT current_user").fetchone() == ("looker",)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.dsn("looker") + " password=other")


def test_a_server_that_is_gone_does_not_keep_files_from_being_put_back(
    start_postgres: StartPostgres, tmp_path: Path
) -> None:
    server = Server(start_postgres(15))
    file = tmp_path / "odoo.conf"
    file.write_bytes(b"old")
    steps = (*role_steps(AlterRole("odoo", connection_limit=40)), WriteFile(str(file), b"old", b"new"))
    journals = Journals(tmp_path / "state")

    def check() -> None:
        server.server.stop("fast")
        raise OperatorError("it is gone", "look")

    with journals.locked():
        with pytest.raises(OperatorError, match="it is gone; not everything could be undone"):
            Hand(journals, server.servers).apply(plan(*steps), check)
        assert file.read_bytes() == b"old"
        interrupted = journals.interrupted()
        assert interrupted is not None and interrupted.state == "failed"
        server.server.start()
        Hand(journals, server.servers).roll_back(interrupted)
        assert journals.interrupted() is None
    assert server.run("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'odoo'") == [(-1,)]
