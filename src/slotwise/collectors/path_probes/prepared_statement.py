"""Prepared statements: by SQL and at protocol level."""

from __future__ import annotations

from slotwise.collectors.path_client import StatementRefused
from slotwise.collectors.path_under_test import Path, unusual
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="prepared-statement",
    needed_by="nobody",
    fine="prepared statements stay with their client",
    loss="a program that prepares statements fails with `prepared statement … does not exist`",
    harmless="prepared statements do not stay with their client; Odoo and psycopg2 prepare none (an addon that does:"
    " slotwise scan, SW703; psycopg 3 and JDBC prepare by themselves)",
)


def probe(path: Path) -> Observation:
    """``PREPARE``, then ``EXECUTE`` while another client keeps the server connection that a transaction pool would have
    taken back; then the same at protocol level (PgBouncer 1.21 and later: max_prepared_statements)."""
    seen = (Seen("PREPARE and EXECUTE", _by_sql(path)), Seen("protocol-level", _by_protocol(path)))
    return Observation(all(one.value for one in seen), seen)


def _by_sql(path: Path) -> bool:
    name = unusual("statement")
    with path.client() as client, path.client() as other:
        client.run(f"PREPARE {name} AS SELECT 1")
        other.run("BEGIN")
        moved = other.run(f"SELECT name FROM pg_prepared_statements WHERE name = '{name}'").value is not None
        try:
            found = client.run(f"EXECUTE {name}").value == "1"
            client.run(f"DEALLOCATE {name}")
        except StatementRefused:
            found = False
        if moved:
            other.run(f"DEALLOCATE {name}")
        other.run("COMMIT")
    return found


def _by_protocol(path: Path) -> bool:
    name = unusual("statement")
    with path.client() as client, path.client() as other:
        client.prepare(name, "SELECT 1")
        other.run("BEGIN")
        moved = other.run(f"SELECT name FROM pg_prepared_statements WHERE name = '{name}'").value is not None
        try:
            found = client.execute_prepared(name).value == "1"
        except StatementRefused:
            found = False
        if moved:
            other.run(f"DEALLOCATE {name}")
        other.run("COMMIT")
    return found
