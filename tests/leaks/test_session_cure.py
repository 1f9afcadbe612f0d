"""The cures of SQL that outlives its transaction, on a real server behind PgBouncer with transaction pooling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from slotwise.commands.scan_request import ScanRequest, run
from slotwise.demo.pgbouncer_server import PgBouncerServer
from slotwise.demo.postgres_server import PostgresServer
from tests.servers import create_odoo

ADDON = """
def limit(registry):
    with registry.cursor() as cr:
        cr.execute("SET statement_timeout = '7s'")
        cr.execute("SHOW statement_timeout")
        return cr.fetchone()[0]


def sort_out(registry):
    with registry.cursor() as cr:
        cr.execute("CREATE TEMPORARY TABLE wizard_lines (id int)")
        cr.execute("INSERT INTO wizard_lines VALUES (1), (2)")
        cr.execute("SELECT count(*) FROM wizard_lines")
        return cr.fetchone()[0]
"""


class Registry:
    """Odoo's, as far as the addon asks: a cursor whose block commits at its end. A connection for each."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    @contextmanager
    def cursor(self) -> Iterator[psycopg.Cursor[Any]]:
        with psycopg.connect(self._dsn, prepare_threshold=None) as connection, connection.cursor() as cursor:
            yield cursor


@pytest.fixture
def pooled(start_pgbouncer: Callable[..., PgBouncerServer], start_postgres: Callable[..., PostgresServer]) -> str:
    """A way in on which all clients get the same server connection, one after the other."""
    server = start_postgres(15)
    create_odoo(server)
    entry = {"prod": f"host=127.0.0.1 port={server.port} dbname=prod"}
    return start_pgbouncer(entry, {"pool_mode": "transaction", "default_pool_size": "1"}).dsn("odoo", "prod")


def left_behind(dsn: str) -> tuple[str, bool]:
    """What the next client finds: statement_timeout, and whether the temporary table is there."""
    with psycopg.connect(dsn, prepare_threshold=None) as connection:
        (timeout,) = connection.execute("SHOW statement_timeout").fetchone() or ("",)
        (there,) = connection.execute("SELECT to_regclass('pg_temp.wizard_lines') IS NOT NULL").fetchone() or (None,)
    return str(timeout), bool(there)


def done(source: str, dsn: str) -> tuple[str, int]:
    names: dict[str, Any] = {}
    exec(compile(source, "addon.py", "exec"), names)
    return names["limit"](Registry(dsn)), names["sort_out"](Registry(dsn))


def test_what_is_cured_does_the_same_and_leaves_nothing_to_the_next_client(
    pooled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "addon.py").write_text(ADDON)
    monkeypatch.chdir(tmp_path)
    outcome = run(ScanRequest(paths=(".",), cache=False, jobs=1, fix=True))
    cured = (tmp_path / "addon.py").read_text()
    assert "SET LOCAL statement_timeout" in cured and "(id int) ON COMMIT DROP" in cured, outcome.result.decode()
    assert left_behind(pooled) == ("0", False)
    assert done(cured, pooled) == ("7s", 2)
    assert left_behind(pooled) == ("0", False)
    assert done(cured, pooled) == ("7s", 2)
    # The same addon as it was: what the rules warn of is true of this pooler.
    assert done(ADDON, pooled) == ("7s", 2)
    assert left_behind(pooled) == ("7s", True)
    with pytest.raises(psycopg.errors.DuplicateTable):
        done(ADDON, pooled)
