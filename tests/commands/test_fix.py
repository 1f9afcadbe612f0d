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
