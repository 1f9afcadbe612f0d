"""Sick installations on real servers: fix, apply, doctor healthy; behind PgBouncer verify shows every need works."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from slotwise.cli.app import run
from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.demo.postgres_server import PostgresServer
from slotwise.standin.host import StandinHost
from tests.conftest import StartPgBouncer, StartPostgres, StartStandin
from tests.servers import create_odoo

WORKERS = {"workers": 2, "max_cron_threads": 1}


class Patient:
    """An installation, and slotwise's commands for it."""

    def __init__(
        self, server: PostgresServer, host: StandinHost, pooler: PgBouncerServer | None, state: Path, capsys: Any
    ) -> None:
        self.server, self.host, self.pooler = server, host, pooler
        self.config = host.home / "odoo.conf"
        self._where = ["--config", str(self.config), "--dsn", server.dsn(), "--timeout", "60"]
        if pooler is not None:
            self._where += ["--pgbouncer", pooler.dsn("postgres")]
        self._state = ["--state", str(state)]
        self._capsys = capsys

    def fix(self, *arguments: str) -> tuple[int, str]:
        self._capsys.readouterr()
        code = run(["fix", *arguments, *self._where, *self._state])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err

    def found(self) -> dict[str, str]:
        """Rules that speak as warning or worse, with what they say."""
        self._capsys.readouterr()
        run(["doctor", *self._where, "--format", "json"])
        verdicts = json.loads(self._capsys.readouterr().out)["verdicts"]
        return {
            v["id"]: " / ".join(f["message"] for f in v["findings"])
            for v in verdicts
            if v["state"] == "found" and v["severity"] in ("warning", "critical")
        }

    def broken(self) -> dict[str, str]:
        """What verify says of the needs that do not work through the pooler."""
        assert self.pooler is not None
        self._capsys.readouterr()
        arguments = ["--dsn", self.pooler.dsn("odoo", "prod"), "--direct", self.server.dsn("odoo", "prod")]
        run(["verify", *arguments, "--format", "json"])
        checks = json.loads(self._capsys.readouterr().out)["checks"]
        return {c["id"]: c["state"] for c in checks if c["state"] not in ("works", "not-needed")}

    def restart_odoo(self) -> None:
        """The stand-in writes its odoo.conf anew when it starts; what fix wrote is put back."""
        written = self.config.read_bytes()
        self.host.stop()
        self.host.start()
        self.config.write_bytes(written)
        self.host.serve(4, "prod")
        self.host.open_websocket("prod")

    def files(self) -> tuple[bytes, bytes | None]:
        return self.config.read_bytes(), self.pooler.ini_file.read_bytes() if self.pooler is not None else None


@pytest.fixture
def patient(
    start_postgres: StartPostgres,
    start_pgbouncer: StartPgBouncer,
    start_standin: StartStandin,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., Patient]]:
    def make(
        version: int = 15,
        settings: dict[str, str] | None = None,
        pools: dict[str, str] | None = None,
        entries: tuple[str, ...] = ("*",),
        databases: tuple[str, ...] = ("prod",),
        prepare: tuple[str, ...] = (),
        **odoo: Any,
    ) -> Patient:
        server = start_postgres(version, settings)
        create_odoo(server, databases)
        with psycopg.connect(server.dsn(), autocommit=True) as session:
            for statement in prepare:
                session.execute(statement.encode())
        pooler = None
        if pools is not None:
            behind = f"host=127.0.0.1 port={server.port}"
            pooler = start_pgbouncer(dict.fromkeys(entries, behind), pools)
        port = server.port if pooler is None else pooler.port
        host = start_standin(**{**WORKERS, "db_port": port, "db_name": databases[:1], **odoo})
        host.serve(4, databases[0])
        host.open_websocket(databases[0])
        return Patient(server, host, pooler, tmp_path / "state", capsys)

    yield make


def cure(sick: Patient, *expected: str, left: frozenset[str] = frozenset()) -> None:
    """The expected rules speak; after apply none but ``left``; a second apply changes nothing; rollback restores it."""
    before = sick.files()
    assert set(expected) <= set(sick.found())
    _, said = sick.fix("--apply", "--yes")
    assert "applied: change" in said, said
    sick.restart_odoo()
    assert set(sick.found()) <= left
    if sick.pooler is not None:
        assert sick.broken() == {}
    after = sick.files()
    assert after != before
    assert "Nothing to change here." in sick.fix("--apply", "--yes")[1]
    assert sick.files() == after
    code, said = sick.fix("--rollback")
    assert code == 0, said
    assert sick.files() == before


def test_everything_in_transaction_mode(patient: Callable[..., Patient]) -> None:
    cure(
        patient(16, pools={"pool_mode": "transaction", "max_user_connections": "60", "max_client_conn": "500"}), "SW301"
    )


def test_session_mode_without_multiplexing(patient: Callable[..., Patient]) -> None:
    sick = patient(15, pools={"pool_mode": "session", "default_pool_size": "60", "max_client_conn": "500"})
    cure(sick, "SW302")


def test_a_wildcard_that_multiplies(patient: Callable[..., Patient]) -> None:
    sick = patient(18, pools={"pool_mode": "transaction", "default_pool_size": "80", "max_client_conn": "500"})
    cure(sick, "SW304")


def test_default_pools(patient: Callable[..., Patient]) -> None:
    cure(patient(16, settings={"max_connections": "60"}, workers=4), "SW102")


def test_too_few_slots(patient: Callable[..., Patient]) -> None:
    cure(patient(18, settings={"max_connections": "30"}, db_maxconn=32), "SW102")


def test_harmful_timeouts(patient: Callable[..., Patient]) -> None:
    sick = patient(
        15, settings={"idle_session_timeout": "10min", "idle_in_transaction_session_timeout": "30s"}, db_maxconn=8,
        db_maxconn_gevent=8,
    )  # fmt: skip
    cure_roles(sick, "SW213")


def test_a_superuser_role(patient: Callable[..., Patient]) -> None:
    sick = patient(16, prepare=("ALTER ROLE odoo SUPERUSER",), db_maxconn=8, db_maxconn_gevent=8)
    cure_roles(sick, "SW111")


def test_twenty_databases(patient: Callable[..., Patient]) -> None:
    databases = ("prod", *(f"tenant{n}" for n in range(19)))
    sick = patient(15, databases=databases, db_name=())
    for name in databases[:8]:
        sick.host.serve(2, name)
    for name in databases[:8]:
        sick.host.serve(2, name)
    cure(sick, "SW102", left=frozenset({"SW110"}))
    # Pinning would take away the databases that nobody has used yet: only on request.
    assert "db_name" not in sick.config.read_text()
    assert "+db_name = " in sick.fix("--select", "databases-unpinned")[1]


def overrides(server: PostgresServer) -> list[Any]:
    with psycopg.connect(server.dsn()) as session:
        settings = session.execute("SELECT * FROM pg_db_role_setting ORDER BY 1, 2").fetchall()
        return settings + session.execute("SELECT rolname, rolsuper, rolconnlimit FROM pg_roles ORDER BY 1").fetchall()


def cure_roles(sick: Patient, expected: str) -> None:
    before = overrides(sick.server)
    assert expected in sick.found()
    _, said = sick.fix("--apply", "--yes")
    assert "applied: change" in said, said
    assert sick.found() == {}
    assert overrides(sick.server) != before
    assert "Nothing to change here." in sick.fix("--apply", "--yes")[1]
    assert sick.fix("--rollback")[0] == 0
    assert overrides(sick.server) == before
    assert expected in sick.found()


def test_root_needs_no_password_for_the_console(patient: Callable[..., Patient]) -> None:
    """As the OS user of PgBouncer over its socket; an ordinary user names the console with --pgbouncer."""
    import os

    from slotwise.apply.servers import Servers
    from slotwise.collectors.runner import Request, collect
    from slotwise.commands.fix_ground import reach_of

    sick = patient(15, pools={"pool_mode": "session"})
    assert sick.pooler is not None
    snapshot, _ = collect(
        Request(dsn=sick.server.dsn(), pgbouncer_dsns=(sick.pooler.dsn("postgres"),), timeout_seconds=60)
    )
    consoles = reach_of(snapshot, None, ()).consoles
    assert bool(consoles) == (os.geteuid() == 0)
    for address in consoles:
        Servers(None, consoles).console(address, "RELOAD")
