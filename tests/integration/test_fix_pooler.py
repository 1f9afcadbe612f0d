"""The generated pgbouncer.ini in the real PgBouncer: it starts, lets Odoo in with its password, and serves 400 clients
over few server connections. The guide's file beside it loses notifications."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from slotwise.cli.app import run
from slotwise.demo.pgbouncer_server import installed_program
from slotwise.demo.postgres_server import PostgresServer, PostgresServers, free_port, server_os_user
from slotwise.fixes.pgbouncer_auth import by_lookup
from tests.conftest import StartPostgres, StartStandin
from tests.integration.pooled import (
    CLIENTS,
    PASSWORD,
    SERVERS,
    ask_for_passwords,
    delivered,
    serve,
    states,
    write_generated,
    write_guide,
)
from tests.integration.sick import answer, installed, pgbouncer, says
from tests.servers import create_odoo


@pytest.fixture
def home(postgres_servers: PostgresServers) -> Iterator[Path]:
    import shutil

    path = postgres_servers.directory / f"pooler-{free_port()}"
    path.mkdir()
    user = server_os_user()
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def server(start_postgres: StartPostgres) -> PostgresServer:
    made = start_postgres(15, {"max_connections": "60"})
    create_odoo(made)
    ask_for_passwords(made)
    return made


def verified(port: int, server: PostgresServer, monkeypatch: pytest.MonkeyPatch, *more: str) -> dict[str, str]:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    way = "host=127.0.0.1 port={} user=odoo dbname=prod"
    processes = ["--workers", "4", "--max-cron-threads", "1"]
    checks = answer("verify", "--dsn", way.format(port), "--direct", way.format(server.port), *processes, *more)
    return states(checks["checks"])


def test_every_need_of_odoo_works_through_the_generated_file(
    home: Path, server: PostgresServer, newest_program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini, port = write_generated(home, server)
    with pgbouncer(newest_program, ini):
        seen = verified(port, server, monkeypatch, "--exhaust")
        assert delivered(port, 20) == 20
    assert seen["listen-notify"] == "works"
    assert set(seen.values()) <= {"works", "not-needed"}, [name for name, state in seen.items() if state == "unknown"]


def test_the_guides_file_loses_notifications(
    home: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini, port = write_guide(home, server)
    with pgbouncer(installed_program(), ini):
        assert verified(port, server, monkeypatch, "--only", "listen-notify") == {"listen-notify": "broken"}
        assert delivered(port, 20, seconds=1) == 0


def test_400_clients_over_25_server_connections(home: Path, server: PostgresServer) -> None:
    ini, port = write_generated(home, server)
    with pgbouncer(installed_program(), ini):
        served = serve(port, server)
    assert served.answered == served.asked == 3 * CLIENTS
    assert 0 < served.most_servers <= SERVERS


def test_the_lookup_function_tells_only_odoos_roles(server: PostgresServer) -> None:
    auth = by_lookup(("odoo",), "md5" + "0" * 32, "secret", frozenset(), frozenset())
    with psycopg.connect(server.dsn(), autocommit=True) as session:
        for step in auth.statements:
            assert session.execute(step.probe.encode()).fetchone() is None
            session.execute(step.do.encode())
            assert session.execute(step.probe.encode()).fetchone() == (step.after,)
        session.execute("SET ROLE slotwise_pgbouncer")
        query = "SELECT usename, passwd FROM slotwise_pgbouncer.lookup(%s)"
        found = session.execute(query, ["odoo"]).fetchall()
        assert [name for name, _ in found] == ["odoo"] and found[0][1].startswith("SCRAM-SHA-256$")
        assert session.execute(query, ["postgres"]).fetchall() == []
        session.execute("RESET ROLE")
        for step in reversed(auth.statements):
            session.execute(step.undo.encode())
            assert session.execute(step.probe.encode()).fetchone() is None


def test_fix_writes_a_pooler_that_starts_and_rolls_it_back(
    home: Path,
    start_postgres: StartPostgres,
    start_standin: StartStandin,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = start_postgres(16, {"max_connections": "60"})
    create_odoo(server)
    with psycopg.connect(server.dsn(), autocommit=True) as session:
        session.execute("ALTER ROLE odoo PASSWORD 'x'")
    host = start_standin(db_port=server.port, workers=2, max_cron_threads=1, db_name=("prod",))
    ini = home / "pgbouncer.ini"
    where = ["--config", str(host.home / "odoo.conf"), "--dsn", server.dsn(), "--state", str(tmp_path / "state")]
    run(["fix", "--pooler", "--pooler-ini", str(ini), "--apply", "--yes", *where, "--timeout", "60"])
    said = capsys.readouterr().out
    assert "applied: change" in said and "SCRAM-SHA-256" not in said
    assert (home / "userlist.txt").stat().st_mode & 0o777 == 0o640
    text = ini.read_text()
    ini.write_text(text.replace("listen_port = 6432", f"listen_port = {free_port()}"))
    with pgbouncer(installed_program(), ini):
        pass
    ini.write_text(text)
    assert run(["fix", "--rollback", *where]) == 0
    assert not ini.exists() and not (home / "userlist.txt").exists()


def test_the_newest_pooler_looks_passwords_up_by_a_function(
    home: Path,
    start_postgres: StartPostgres,
    start_standin: StartStandin,
    tmp_path: Path,
    newest_program: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SCRAM all the way: the client proves its password to PgBouncer by the verifier that the function told, and
    PgBouncer by what the client showed to PostgreSQL. A new password needs no change of files."""
    asks = tuple(f"host all {role} 127.0.0.1/32 scram-sha-256" for role in ("odoo", "slotwise_pgbouncer"))
    server = start_postgres(18, {"max_connections": "60"}, hba=asks[1:])
    create_odoo(server)
    host = start_standin(db_port=server.port, workers=2, max_cron_threads=1, db_name=("prod",))
    ini, port = home / "pgbouncer.ini", free_port()
    where = ["--config", str(host.home / "odoo.conf"), "--dsn", server.dsn(), "--timeout", "60"]
    state = ["--state", str(tmp_path / "state")]
    asked = ["fix", "--pooler", "--pooler-lookup", "--pooler-ini", str(ini), *where, *state]
    older = tmp_path / "bin" / "pgbouncer"
    older.parent.mkdir()
    older.write_text("#!/bin/sh\necho PgBouncer 1.18.0\n")
    older.chmod(0o755)
    with installed(older):
        code, said, beside = says(*asked, "--apply", "--yes")
    assert code == 2 and "1.18 does not know auth_dbname" in beside
    with installed(newest_program):
        code, said, beside = says(*asked, "--apply", "--yes")
    assert "applied: change" in said, said + beside
    assert "SCRAM-SHA-256$" not in said + beside and "SCRAM-SHA-256$" not in (home / "userlist.txt").read_text()

    text = ini.read_text()
    ini.write_text(text.replace("listen_port = 6432", f"listen_port = {port}"))
    (server.data_dir / "pg_hba.conf").write_text(asks[0] + "\n" + (server.data_dir / "pg_hba.conf").read_text())
    way = f"host=127.0.0.1 port={port} user=odoo dbname=prod connect_timeout=20 password="
    with psycopg.connect(server.dsn(), autocommit=True) as admin, pgbouncer(newest_program, ini):
        for password in ("first", "second"):
            admin.execute(f"ALTER ROLE odoo PASSWORD '{password}'".encode())
            admin.execute("SELECT pg_reload_conf()")
            with psycopg.connect(way + password, prepare_threshold=None) as session:
                assert session.execute("SELECT current_user").fetchone() == ("odoo",)
        for stranger in (way + "first", way.replace("user=odoo", "user=postgres") + "x"):
            with pytest.raises(psycopg.OperationalError, match=r"authentication failed|no such user"):
                psycopg.connect(stranger)
        monkeypatch.setenv("PGPASSWORD", "second")
        checks = answer("verify", "--dsn", way.removesuffix(" password="), "--only", "listen-notify")["checks"]
        assert states(checks) == {"listen-notify": "works"}
    ini.write_text(text)
    assert run(["fix", "--rollback", *where, *state]) == 0
    with psycopg.connect(server.dsn()) as admin:
        left = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = 'slotwise_pgbouncer'").fetchall()
        left += admin.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'slotwise_pgbouncer'").fetchall()
    assert left == [] and not ini.exists()


def test_the_file_of_a_config_map_starts(
    home: Path, start_postgres: StartPostgres, start_standin: StartStandin
) -> None:
    """What `fix --pooler --platform kubernetes` puts into the ConfigMap, in the real PgBouncer."""
    server = start_postgres(16, {"max_connections": "60"})
    create_odoo(server)
    host = start_standin(db_port=server.port, workers=2, max_cron_threads=1, db_name=("prod",))
    where = ["--config", str(host.home / "odoo.conf"), "--dsn", server.dsn(), "--timeout", "60"]
    said = says("fix", "--pooler", "--platform", "kubernetes", "--output", str(home / "out"), *where)
    (made,) = (home / "out").glob("pgbouncer-deployment.yaml")
    config, deployment, service = yaml.safe_load_all(made.read_text())
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert said[0] == 1 and container["command"] == ["pgbouncer", "/etc/pgbouncer/pgbouncer.ini"]
    port = service["spec"]["ports"][0]["targetPort"]
    assert container["ports"] == [{"containerPort": port}]

    text = config["data"]["pgbouncer.ini"]
    assert "listen_addr = *" in text and f"listen_port = {port}" in text and "/etc/pgbouncer/userlist.txt" in text
    own = free_port()
    ini = home / "pgbouncer.ini"
    ini.write_text(
        text.replace("listen_addr = *", "listen_addr = 127.0.0.1")
        .replace(f"listen_port = {port}", f"listen_port = {own}")
        .replace("/etc/pgbouncer/userlist.txt", str(home / "userlist.txt"))
    )
    (home / "userlist.txt").write_text('"odoo" "secret"\n')
    way = f"host=127.0.0.1 port={own} user=odoo password=secret dbname=prod"
    with pgbouncer(installed_program(), ini), psycopg.connect(way, prepare_threshold=None) as session:
        assert session.execute("SELECT current_user").fetchone() == ("odoo",)
