"""The Snapshot: one immutable, versioned value with everything that was observed. JSON in, JSON out, unchanged."""

from __future__ import annotations

from msgspec import Struct

from slotwise.snapshot.evidence import SourceReport, Unavailable
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.postgres import Activity, Databases, Locks, Overrides, Roles, Server, Settings, Titles
from slotwise.snapshot.processes import Host, Memory, Processes, ServerProcesses, Sockets
from slotwise.snapshot.refusals import Refusals

SCHEMA = "slotwise.snapshot/1"


def not_collected(source: str) -> Unavailable:
    """The part of a Snapshot that nobody tried to read."""
    return Unavailable(source, "not collected", f"run slotwise where it can read {source}")


class Snapshot(Struct, frozen=True, kw_only=True):
    """What was observed at ``taken_at`` (epoch seconds, UTC) on ``host``. Each part is a value or Unavailable, never
    empty by accident."""

    schema: str = SCHEMA
    taken_at: float
    host: str
    slotwise_version: str
    sources: tuple[SourceReport, ...] = ()
    server: Server | Unavailable = not_collected("server")
    activity: Activity | Unavailable = not_collected("pg_stat_activity")
    titles: Titles | Unavailable = not_collected("process titles")
    settings: Settings | Unavailable = not_collected("pg_settings")
    roles: Roles | Unavailable = not_collected("pg_roles")
    databases: Databases | Unavailable = not_collected("pg_database")
    overrides: Overrides | Unavailable = not_collected("pg_db_role_setting")
    locks: Locks | Unavailable = not_collected("pg_blocking_pids()")
    processes: Processes | Unavailable = not_collected("/proc")
    server_processes: ServerProcesses | Unavailable = not_collected("PostgreSQL processes")
    sockets: Sockets | Unavailable = not_collected("sockets")
    memory: Memory | Unavailable = not_collected("smaps_rollup")
    machine: Host | Unavailable = not_collected("host")
    odoo: Odoo | Unavailable = not_collected("Odoo configuration")
    pgbouncers: PgBouncers | Unavailable = not_collected("PgBouncer")
    refusals: Refusals | Unavailable = not_collected("refusals")
