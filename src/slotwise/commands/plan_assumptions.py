"""What a plan takes for granted because nobody said or measured it: each in one sentence, with how to say it."""

from __future__ import annotations

from slotwise.capacity import holdings, memory, pooling, processor
from slotwise.capacity.deployment import Deployment, OdooHost, PostgresServer
from slotwise.capacity.http_worker import kept_per_database
from slotwise.capacity.planner import Terms


def assumptions(deployment: Deployment, terms: Terms) -> tuple[str, ...]:
    """The assumptions behind the plan of ``deployment``, without repeats."""
    found: list[str] = []
    for host in dict.fromkeys(deployment.hosts):
        found.extend(_of_host(host))
    for server in deployment.servers:
        found.extend(_of_server(server))
    if terms.workload.transaction_seconds is None:
        found.append(
            f"transactions of {pooling.ASSUMED_TRANSACTION_SECONDS:g} s, Python's time included (--transaction-seconds)"
        )
    if terms.workload.transactions_per_second is None:
        share = f"{pooling.ASSUMED_BUSY_WORKER_SHARE:.0%}"
        found.append(f"each process is in a transaction {share} of the time (--transactions-per-second)")
    return tuple(dict.fromkeys(found))


def _of_host(host: OdooHost) -> list[str]:
    found = []
    if host.measured is None or host.measured.http_per_database is None:
        kept = kept_per_database(host)
        found.append(
            f"an HTTP worker keeps {kept.count} connection{'s' if kept.count > 1 else ''} per database: {kept.why} "
            "(--traffic, --request-has-database)"
        )
    if host.websockets is None and host.http_enable:
        if host.workers:
            usual = holdings.TYPICAL_GEVENT_CURSORS
            found.append(
                f"browsers keep websockets open: {usual} cursors at once typically, the whole gevent pool at peak "
                "(--websockets)"
            )
        else:
            found.append("browsers keep websockets open (--websockets)")
    if host.workers == 0 and host.concurrent_requests is None:
        found.append(
            f"{holdings.ASSUMED_CONCURRENT_REQUESTS} requests at once on the threaded server (--concurrent-requests)"
        )
    if host.databases_per_worker is None and host.database_count > 1:
        found.append(
            f"every worker serves all {host.database_count} databases within ten minutes (--databases-per-worker)"
        )
    return found


def _of_server(server: PostgresServer) -> list[str]:
    found = []
    if server.ram_bytes is not None and server.tables_touched is None:
        each = memory.bytes_per_connection(server) / memory.MIB
        found.append(
            f"a session has seen {memory.ASSUMED_TABLES_TOUCHED} tables: {each:.1f} MiB a connection (--tables-touched)"
        )
    if server.ram_bytes is not None and server.shared_buffers_bytes is None:
        found.append("shared_buffers is a quarter of the RAM (--shared-buffers)")
    if server.ram_bytes is not None and server.cores is None:
        found.append(f"{processor.ASSUMED_CORES} cores for sorts in memory (--cores)")
    if server.ram_bytes is None:
        found.append("RAM unknown, so no memory bound (--ram)")
    if server.other == 0:
        found.append("no sessions but Odoo's: backup, monitoring and psql take slots too (--other)")
    return found
