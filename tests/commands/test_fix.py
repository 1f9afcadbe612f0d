"""fix on a real PostgreSQL and a stand-in of Odoo: shown, applied, silent afterwards, rolled back exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from slotwise.cli.app import run
from slotwise.demo.postgres_server import PostgresServer
from slotwise.standin.host import StandinHost
from tests.conftest import StartPostgres, StartStandin
from tests.servers import create_odoo


class Scene:
    """A server and a stand-in, and slotwise fix for them."""

    def __init__(
        self, server: PostgresServer, host: StandinHost, state: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.server = server
        self.config = host.home / "odoo.conf"
        self._where = ["--config", str(self.config), "--dsn", server.dsn(), "--timeout", "60"]
        self._state = ["--state", str(state)]
        self._capsys = capsys

    def fix(self, *arguments: str) -> tuple[int, str]:
        code = run(["fix", *arguments, *self._where, *self._state])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err

    def doctor(self) -> dict[str, Any]:
        run(["doctor", *self._where, "--format", "json"])
        return json.loads(self._capsys.readouterr().out)

    def found(self, *severities: str) -> set[str]:
        return {v["id"] for v in self.doctor()["verdicts"] if v["state"] == "found" and v["severity"] in severities}

    def overrides(self) -> list[Any]:
        with psycopg.connect(self.server.dsn()) as session:
            return session.execute(
                "SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting ORDER BY 1, 2"
            ).fetchall()


@pytest.fixture
def scene(
    start_postgres: StartPostgres, start_standin: StartStandin, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Any:
    def make(version: int = 15, settings: dict[str, str] | None = None, conf_d: bool = True, **odoo: Any) -> Scene:
        server = start_postgres(version, settings)
        if conf_d:
            (server.data_dir / "conf.d").mkdir()
            with (server.data_dir / "postgresql.conf").open("a") as conf:
                conf.write("include_dir = 'conf.d'\n")
        create_odoo(server)
        odoo.setdefault("db_name", ("prod",))
        host = start_standin(db_port=server.port, **odoo)
        host.serve(8, "prod")
        host.open_websocket("prod")
        return Scene(server, host, tmp_path / "state", capsys)

    return make


def test_harmful_timeouts_and_default_pools(scene: Any) -> None:
    sick = scene(settings={"statement_timeout": "10min", "max_connections": "60"})
    before = sick.config.read_bytes()
    code, shown = sick.fix()
    assert code == 1
    assert "-db_maxconn = 64" in shown and "ALTER ROLE" in shown
    assert sick.config.read_bytes() == before and sick.overrides() == []

    code, said = sick.fix("--apply", "--yes")
    assert "applied: change" in said
    assert sick.found("critical", "warning") == set()
    after = sick.config.read_bytes()
    assert after != before

    code, again = sick.fix("--apply", "--yes")
    assert "Nothing to change here." in again
    assert sick.config.read_bytes() == after

    code, said = sick.fix("--rollback")
    assert code == 0
    assert sick.config.read_bytes() == before and sick.overrides() == []
    assert "rolled back" in sick.fix("--history")[1]


def test_settings_of_the_server_in_its_own_directory(scene: Any) -> None:
    sick = scene(18, settings={"max_connections": "800"})
    file = sick.server.data_dir / "conf.d" / "zz-slotwise.conf"
    _, shown = sick.fix("--select", "max-connections-inflated")
    assert "+max_connections = " in shown
    assert sick.fix("--select", "max-connections-inflated", "--apply", "--yes")[1].count("applied: change") == 1
    assert "max_connections = " in file.read_text()
    assert "Nothing to change here." in sick.fix("--select", "max-connections-inflated")[1]
    assert sick.fix("--rollback")[0] == 0
    assert not file.exists()


def test_a_superuser_that_needs_it_for_its_tables_stays_one(scene: Any) -> None:
    """A dump that was restored as postgres: without the attribute Odoo could not read its own tables."""
    sick = scene(15, db_maxconn=8, db_maxconn_gevent=8)
    with psycopg.connect(sick.server.dsn(dbname="prod"), autocommit=True) as session:
        session.execute("ALTER ROLE odoo SUPERUSER")
        session.execute("CREATE TABLE IF NOT EXISTS ir_module_module (id int)")
        session.execute("ALTER TABLE ir_module_module OWNER TO postgres")
        session.execute("CREATE VIEW a_report AS SELECT 1 AS one")
        session.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    only = ("--select", "odoo-role-superuser")
    _, shown = sick.fix(*only)
    said = " ".join(shown.split())
    assert "tables and views of prod belong to postgres" in said and "NOSUPERUSER" not in said
    assert "applied: change" not in sick.fix(*only, "--apply", "--yes")[1]
    with psycopg.connect(sick.server.dsn(dbname="prod"), autocommit=True) as session:
        session.execute("ALTER TABLE ir_module_module OWNER TO odoo")
        session.execute("ALTER VIEW a_report OWNER TO odoo")
    assert "applied: change" in sick.fix(*only, "--apply", "--yes")[1]
    with psycopg.connect(sick.server.dsn("odoo", "prod")) as session:
        assert session.execute("SELECT count(*) FROM ir_module_module").fetchone() == (0,)


def test_the_guides_timeouts_say_what_they_end(scene: Any) -> None:
    sick = scene(db_maxconn=8, db_maxconn_gevent=8)
    _, shown = sick.fix("--guide-timeouts")
    said = " ".join(shown.split())
    assert "statement_timeout = '600s'" in said and "idle_in_transaction_session_timeout = '300s'" in said
    assert 'ALTER ROLE "odoo" IN DATABASE "prod" SET' in said
    assert "PGOPTIONS" in said and "nothing that Odoo's own limits do not end before" in said


def test_output_writes_files_and_changes_nothing(scene: Any, tmp_path: Path) -> None:
    sick = scene(settings={"statement_timeout": "10min", "max_connections": "60"})
    before = sick.config.read_bytes()
    assert sick.fix("--output", str(tmp_path / "out"), "--format", "json")[0] == 1
    written = tmp_path / "out" / str(sick.config).lstrip("/")
    assert b"db_maxconn = 64" in before and b"db_maxconn = 64" not in written.read_bytes()
    assert "ALTER ROLE" in (tmp_path / "out" / "statements.sql").read_text()
    assert sick.config.read_bytes() == before and sick.overrides() == []


def test_nobody_is_there_to_be_asked(scene: Any) -> None:
    sick = scene(settings={"statement_timeout": "10min"})
    code, said = sick.fix("--apply")
    assert code == 2 and "add --yes" in said and sick.overrides() == []


def test_modes_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fix", "--apply", "--history"]) == 2
    assert run(["fix", "--apply", "--snapshot", "x.json"]) == 2
    assert "exclude" in capsys.readouterr().err
