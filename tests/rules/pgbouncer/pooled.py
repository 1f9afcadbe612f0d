"""A host whose Odoo goes through a PgBouncer, for the tests of the rules about it."""

from __future__ import annotations

from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import OptionValue
from slotwise.snapshot.pgbouncer import PgBouncer
from tests.build import backend, behind, host, topology

POOLER = 60


def pooled(
    *pgbouncers: PgBouncer, version: str = "18.0", maximum: int = 100, options: dict[str, OptionValue] | None = None
) -> Snapshot:
    """Odoo's ``db_port`` is PgBouncer's; the server's sessions belong to the PgBouncer process."""
    held: list[tuple[int | None, object]] = [(POOLER, backend(3000 + n, application_name="")) for n in range(3)]
    snapshot = host(
        held,
        roles={**topology(), POOLER: "pgbouncer"},
        version=version,
        options={"db_port": 6432, **(options or {})},
        settings_={"max_connections": str(maximum)},
    )
    return behind(snapshot, *pgbouncers) if pgbouncers else snapshot


def direct(*pgbouncers: PgBouncer) -> Snapshot:
    """The same PgBouncer, but Odoo connects to PostgreSQL itself."""
    return behind(host(), *pgbouncers)
