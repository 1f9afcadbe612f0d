from __future__ import annotations

import psycopg
import pytest

from slotwise.demo.postgres_server import PostgresServer
from slotwise.errors import OperatorError
from slotwise.fixes.monitor_role import role_sql


def test_the_role_sees_every_session_and_changes_nothing(postgres_server: PostgresServer) -> None:
    def connect(user: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=postgres_server.port, user=user, dbname="postgres", autocommit=True
        )

    with connect("postgres") as admin:
        for _ in range(2):
            admin.execute(role_sql("watcher").encode())
        try:
            with connect("watcher") as watcher:
                rows = watcher.execute("SELECT query FROM pg_stat_activity WHERE usename = 'postgres'").fetchall()
                assert rows and all(query != "<insufficient privilege>" for (query,) in rows)
                with pytest.raises(psycopg.Error):
                    watcher.execute("CREATE TABLE public.intruder (id int)")
                if admin.info.server_version >= 160000:
                    query = "SELECT pg_has_role('pg_use_reserved_connections', 'USAGE')"
                    assert watcher.execute(query).fetchone() == (True,)
        finally:
            admin.execute("DROP ROLE watcher")


@pytest.mark.parametrize("name", ["", 'a"b', "a'b", "a$b", "a\nb"])
def test_a_name_that_could_break_out_is_refused(name: str) -> None:
    with pytest.raises(OperatorError, match="no name for a role"):
        role_sql(name)
