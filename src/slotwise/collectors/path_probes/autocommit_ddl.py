"""Autocommit DDL on database ``postgres``: how Odoo's database manager creates and drops databases."""

from __future__ import annotations

from slotwise.collectors.path_client import PathRefused, StatementRefused
from slotwise.collectors.path_under_test import Path
from slotwise.fixes.path_checks import Need, Observation, Seen

NEED = Need(
    id="autocommit-ddl",
    needed_by="odoo",
    fine="the database manager can create, duplicate and drop databases as far as its role may",
    loss="creating, duplicating and dropping databases fails",
)

_MEANINGS = {
    "42P04": (True, "it is run outside a transaction, and the role may create databases"),
    "42501": (True, "it is run outside a transaction; the role may not create databases"),
    "25001": (False, "it is run inside a transaction"),
    "25006": (False, "the server is read-only"),
}


def probe(path: Path) -> Observation:
    """CREATE DATABASE with the name of the database that this session is in: it can only be refused, and how it is
    refused tells (odoo/service/db.py ``_create_empty_database`` runs it in autocommit mode). PostgreSQL checks for a
    transaction block first, then the right, then the name (src/backend/tcop/utility.c, commands/dbcommands.c)."""
    try:
        with path.maintenance_client() as client:
            name = client.run("SELECT quote_ident(current_database())").value
            try:
                client.run(f"CREATE DATABASE {name}")
            except StatementRefused as error:
                worked, meaning = _MEANINGS.get(error.sqlstate or "", (None, error.text))
                reason = None if worked is not None else meaning
                return Observation(worked, (Seen("CREATE DATABASE of what exists", meaning),), reason)
    except PathRefused as error:
        if error.failure.kind != "database_missing":
            raise
        return Observation(False, (Seen("database postgres", error.failure.text),))
    return Observation(None, reason="the server did not refuse to create a database that exists")
