"""Eight sick starting points, and slotwise's commands for an installation that begins with one of them.

Used by test_fix_sick.py, once each, and by ``python -m bench.fix``, on every version of PostgreSQL and PgBouncer.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from configparser import RawConfigParser
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from msgspec import structs

from slotwise.cli.app import run
from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.demo.postgres_server import PostgresServer, free_port, identity, server_os_user
from slotwise.standin.host import StandinHost
from tests.servers import create_odoo, until

TENANTS = ("prod", *(f"tenant{n}" for n in range(19)))
CALM = {"db_maxconn": 8, "db_maxconn_gevent": 8}


class Start(NamedTuple):
    """A sick starting point: the rule that must speak, how it comes about, and what may be left after the fix."""

    name: str
    rule: str
    settings: Mapping[str, str] = {}
    pools: Mapping[str, str] | None = None
    """PgBouncer's settings where Odoo goes through one; its only entry is ``*``."""
    databases: tuple[str, ...] = ("prod",)
    prepare: tuple[str, ...] = ()
    odoo: Mapping[str, Any] = {}
    left: frozenset[str] = frozenset()


STARTS = {
    one.name: one
    for one in (
        Start("too few slots", "SW102", {"max_connections": "30"}, odoo={"db_maxconn": 32}),
        Start(
            "a wildcard that multiplies",
            "SW304",
            pools={"pool_mode": "transaction", "default_pool_size": "80", "max_client_conn": "500"},
        ),
        Start(
            "everything in transaction mode",
            "SW301",
            pools={"pool_mode": "transaction", "max_user_connections": "60", "max_client_conn": "500"},
        ),
        Start(
            "session mode, nothing is shared",
            "SW302",
            pools={"pool_mode": "session", "default_pool_size": "60", "max_client_conn": "500"},
        ),
        Start("default pools", "SW102", {"max_connections": "60"}, odoo={"workers": 4}),
        Start(
            "harmful timeouts",
            "SW213",
            {"idle_session_timeout": "10min", "idle_in_transaction_session_timeout": "30s"},
            odoo=CALM,
        ),
        Start("a superuser role", "SW111", prepare=("ALTER ROLE odoo SUPERUSER",), odoo=CALM),
        Start("twenty databases", "SW102", databases=TENANTS, odoo={"db_name": ()}, left=frozenset({"SW110"})),
    )
}


def says(*arguments: str) -> tuple[int, str, str]:
    """Exit code, output and messages of slotwise, in this process."""
    output, messages = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace") for _ in range(2))
    with redirect_stdout(output), redirect_stderr(messages):
        code = run(list(arguments))
    output.flush()
    messages.flush()
    said, beside = (w.buffer.getvalue().decode("utf-8", "replace") for w in (output, messages))  # type: ignore[attr-defined]
    return code, said, beside


def answer(*arguments: str) -> Any:
    """What slotwise prints as JSON."""
    code, said, beside = says(*arguments, "--format", "json")
    assert said.startswith("{"), f"exit code {code}: {beside}"
    return json.loads(said)


class Patient:
    """An installation that is sick at first."""

    def __init__(self, server: PostgresServer, host: StandinHost, pooler: PgBouncerServer | None, state: Path) -> None:
        self.server, self.host, self.pooler = server, host, pooler
        self.config = host.home / "odoo.conf"
        self._state = state
        self._console = pooler.dsn("postgres") if pooler is not None else None
        self._through = pooler.dsn("odoo", "prod") if pooler is not None else server.dsn("odoo", "prod")

    def fix(self, *arguments: str) -> tuple[int, str]:
        code, said, beside = says("fix", *arguments, *self._where(), "--state", str(self._state))
        return code, said + beside

    def found(self) -> dict[str, str]:
        """Rules that speak as warning or worse, with what they say."""
        verdicts = answer("doctor", *self._where())["verdicts"]
        return {
            v["id"]: " / ".join(f["message"] for f in v["findings"])
            for v in verdicts
            if v["state"] == "found" and v["severity"] in ("warning", "critical")
        }

    def broken(self) -> dict[str, str]:
        """What verify says of the needs that do not work on Odoo's way to the database."""
        arguments = ["--dsn", self._through, "--config", str(self.config)]
        if self._through != self.server.dsn("odoo", "prod"):
            arguments += ["--direct", self.server.dsn("odoo", "prod")]
        checks = answer("verify", *arguments)["checks"]
        assert len(checks) == 16
        return {c["id"]: c["state"] for c in checks if c["state"] not in ("works", "not-needed")}

    def use(self) -> None:
        """A few requests on databases, and live chat."""
        databases = _application_databases(self.server)
        for name in (*databases[:8], *databases[:8]):
            self.host.serve(4 if len(databases) == 1 else 2, name)
        self.host.open_websocket("prod")

    def restart_odoo(self, **options: str) -> None:
        """With what odoo.conf says now, and ``options`` written into it. The stand-in writes its own file when it
        starts; the one that fix has written is put back."""
        text = self.config.read_text()
        for name, value in options.items():
            lines = [line for line in text.splitlines() if not line.startswith(f"{name} =")]
            text = "\n".join([*lines, f"{name} = {value}", ""])
        parser = RawConfigParser()
        parser.read_string(text)
        named = dict(parser.items("options"))
        numbers = ("db_port", "db_maxconn", "db_maxconn_gevent", "workers", "max_cron_threads")
        given = {name: int(named[name]) for name in numbers if named.get(name, "").isdigit()}
        password = options.get("db_password")
        self.host.stop()
        self.host.settings = structs.replace(self.host.settings, **given, db_password=password)
        self.host.start()
        self.config.write_text(text)
        self.use()

    def files(self) -> tuple[bytes, bytes | None]:
        return self.config.read_bytes(), self.pooler.ini_file.read_bytes() if self.pooler is not None else None

    @contextmanager
    def pooler_put_in_between(self, program: Path) -> Iterator[None]:
        """``fix --pooler``, its file in the real PgBouncer of this version, and Odoo led through it."""
        home = self.server.data_dir.parent / "pooler"
        home.mkdir()
        ini, port = home / "pgbouncer.ini", free_port()
        with psycopg.connect(self.server.dsn(), autocommit=True) as session:
            session.execute("ALTER ROLE odoo PASSWORD 'secret'")
        with installed(program):
            said = self.fix("--pooler", "--pooler-ini", str(ini), "--apply", "--yes")[1]
        assert "applied: change" in said and ini.exists(), said
        ini.write_text(ini.read_text().replace("listen_port = 6432", f"listen_port = {port}"))
        user = server_os_user()
        for path in (home, ini, home / "userlist.txt"):
            if user is not None:
                os.chown(path, user.pw_uid, user.pw_gid)
        with pgbouncer(program, ini):
            self._through = f"host=127.0.0.1 port={port} user=odoo dbname=prod password=secret"
            self.restart_odoo(db_port=str(port), db_password="secret")
            yield

    def _where(self) -> list[str]:
        where = ["--config", str(self.config), "--dsn", self.server.dsn(), "--timeout", "60"]
        return where if self._console is None else [*where, "--pgbouncer", self._console]


def sick(
    start: Start,
    server: PostgresServer,
    state: Path,
    start_standin: Callable[..., StandinHost],
    start_pgbouncer: Callable[..., PgBouncerServer],
    program: Path | None = None,
) -> Patient:
    """The installation of a starting point, in use. ``server`` is one of its own, with the point's settings."""
    create_odoo(server, start.databases)
    with psycopg.connect(server.dsn(), autocommit=True) as session:
        for statement in start.prepare:
            session.execute(statement.encode())
    pooler = None
    if start.pools is not None:
        pools = {**start.pools, "stats_users": "odoo"}
        pooler = start_pgbouncer({"*": f"host=127.0.0.1 port={server.port}"}, pools, program=program)
    port = server.port if pooler is None else pooler.port
    usual = {"workers": 2, "max_cron_threads": 1, "db_port": port, "db_name": start.databases[:1]}
    patient = Patient(server, start_standin(**{**usual, **start.odoo}), pooler, state)
    patient.use()
    return patient


@contextmanager
def pgbouncer(program: Path | str, ini: Path) -> Iterator[None]:
    """The real PgBouncer with this file, as the servers' OS user."""
    port = next(int(w.split("=")[1]) for w in ini.read_text().splitlines() if w.startswith("listen_port"))
    log = ini.parent / "pgbouncer.log"
    process = subprocess.Popen(
        [str(program), str(ini)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **identity(server_os_user())
    )
    try:
        until(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, log.read_text() if log.exists() else "no log"
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def installed(program: Path) -> Iterator[None]:
    """``pgbouncer`` on PATH is this program."""
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{program.parent}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _application_databases(server: PostgresServer) -> list[str]:
    with psycopg.connect(server.dsn()) as session:
        rows = session.execute(
            "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = 'odoo' ORDER BY oid"
        ).fetchall()
    return [name for (name,) in rows]
