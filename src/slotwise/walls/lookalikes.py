"""The table of messages that are no limit on connections: troubles of another kind, lost connections, housekeeping.

Sources as in ``signatures``. Each kind has an answer of its own in ``answers``.
"""

from __future__ import annotations

from slotwise.walls.kinds import Role, Wall
from slotwise.walls.signatures import Signature, _row

CAUSE, LOOKALIKE, CONTEXT = Role.CAUSE, Role.LOOKALIKE, Role.CONTEXT
_OTHER, _NETWORK = Wall.OTHER, Wall.NETWORK


def _other(kind: str, needle: str, pattern: str | None = None, role: Role = LOOKALIKE) -> Signature:
    return _row(kind, _OTHER, role, needle, pattern)


def _lost(kind: str, needle: str, pattern: str | None = None, role: Role = LOOKALIKE) -> Signature:
    return _row(kind, _NETWORK, role, needle, pattern)


LOOKALIKES: tuple[Signature, ...] = (
    # Who may log in, and to what.
    _other("authentication", "authentication failed"),
    _other("authentication", "no pg_hba.conf entry for"),
    _other("authentication", "no such user"),
    _other("authentication", "no password supplied"),
    _other("authentication", "is not permitted to log in"),
    _other("authentication", "does not exist", r'(?:role|user) "(?P<name>[^"\n]+)" does not exist'),
    _other("database_missing", "does not exist", r'database "(?P<name>[^"\n]+)" does not exist'),
    _other("database_missing", "no such database", r"no such database: (?P<name>\S+)"),
    _other("database_missing", "cannot connect to invalid database"),
    _other("database_closed", "is not currently accepting connections"),
    _other("database_closed", "is disabled", r'database "(?P<name>[^"\n]+)" is disabled'),
    _other("startup_parameter", "unsupported startup parameter", r"in options: (?P<name>\w+)|parameter: (?P<n>\w+)"),
    _other("startup_packet_noise", "invalid length of startup packet"),
    _other("startup_packet_noise", "incomplete startup packet"),
    _other("startup_packet_noise", "unsupported frontend protocol"),
    _other("walsender_limit", "number of requested standby connections exceeds"),
    # Time limits.
    _other("idle_in_transaction_timeout", "due to idle-in-transaction timeout"),
    _other("idle_in_transaction_timeout", "idle transaction timeout"),
    _other("idle_session_timeout", "due to idle-session timeout"),
    _other("idle_session_timeout", "client_idle_timeout"),
    _other("transaction_timeout", "transaction timeout"),
    _other("statement_timeout", "due to statement timeout"),
    _other("statement_timeout", "query timeout"),
    _other("statement_timeout", "query_timeout"),
    _other("lock_timeout", "due to lock timeout"),
    _other("user_cancel", "canceling statement due to user request"),
    _other("user_cancel", "cancel_wait_timeout"),
    _other("authentication_timeout", "canceling authentication due to timeout"),
    _other("authentication_timeout", "client_login_timeout"),
    # Locks and snapshots.
    _other("deadlock", "deadlock detected"),
    _other("deadlock", "DEADLOCK_DETECTED"),
    _other("serialization_failure", "could not serialize access"),
    _other("serialization_failure", "SERIALIZATION_FAILURE"),
    _other("lock_not_available", "could not obtain lock on"),
    _other("lock_not_available", "LOCK_NOT_AVAILABLE"),
    _other("lock_wait", "still waiting for"),
    _other("lock_wait", "acquired ", r"process \d+ acquired \w+ on "),
    _other("lock_table_full", "out of shared memory"),
    _other("lock_table_full", "increase max_locks_per_transaction"),
    _other("database_in_use", "is being accessed by other users"),
    # The server comes and goes.
    _other("pg_starting", "the database system is starting up", role=CAUSE),
    _other("pg_starting", "the database system is not yet accepting", role=CAUSE),
    _other("pg_starting", "the database system is not accepting", role=CAUSE),
    _other("pg_recovery", "the database system is in recovery mode", role=CAUSE),
    _other("pg_recovery", "PG cluster in recovery mode"),
    _other("pg_recovery", "during recovery", r"cannot execute \w+ during recovery"),
    _other("pg_shutdown", "the database system is shutting down", role=CAUSE),
    _other("pg_crash", "was terminated by signal", r"was terminated by signal (?P<name>\d+)", role=CAUSE),
    _other("pg_crash", "was terminated by exception", role=CAUSE),
    _other("admin_terminate", "terminating connection due to administrator command", role=CAUSE),
    _other("recovery_conflict", "due to conflict with recovery"),
    _other("standby_parameters", "of insufficient parameter settings"),
    _other("standby_parameters", "is a lower setting than on the "),
    _other("pgb_shutdown", "pooler is shutting down", role=CAUSE),
    _other("pgb_shutdown", "server shutting down", role=CAUSE),
    # Disk and the web server.
    _other("disk_full", "No space left on device"),
    _other("disk_full", "could not extend file"),
    _other("nginx_worker_connections", "worker_connections are not enough"),
    # Odoo.
    _other("leak_warning", "Cursor not closed explicitly", role=CAUSE),
    _other("leak_recovered", "Free leaked connection", role=CAUSE),
    _other("odoo_registry_unusable", "Database or registry unusable"),
    _other("odoo_database_init_failed", "Failed to initialize database", r"database [`'](?P<name>[^`'\n]+)"),
    _other("websocket_port", "Couldn't bind the websocket"),
    _other("websocket_port", "bus.Bus unavailable"),
    _other("readonly_fallback", "Failed to open a readonly cursor"),
    _other("worker_timeout", " timeout after ", r"\((?P<name>\d+)\) timeout after \d+s", role=CAUSE),
    _other("worker_memory_limit", "virtual memory limit", r"\((?P<name>\d+)\) virtual memory limit", role=CONTEXT),
    _other("worker_recycled", "max request (", r"\((?P<name>\d+)\) max request", role=CONTEXT),
    _other("worker_exit", "exiting. request_count", r"\((?P<name>\d+)\) exiting", role=CONTEXT),
    _other("worker_started", ") alive", r"Worker (?P<name>\w+) \(\d+\) alive", role=CONTEXT),
    _other("odoo_pool_closed", "Closed ", r"\): Closed \d+ connections", role=CONTEXT),
    _other("odoo_connect_failed", "Connection to the database failed"),
    _other("odoo_bus_retry", "Bus.loop error, sleep and retry"),
    _other("odoo_worker_exception", "Exception occurred, exiting"),
    _other("odoo_start", "Odoo version ", r"Odoo version (?P<name>\d[\w.+-]*)", role=CAUSE),
    _other("odoo_stop", "Initiating shutdown", role=CAUSE),
    _other("odoo_stop", "Stopping forcefully", role=CAUSE),
    _other("odoo_update", "updating modules list", role=CAUSE),
    _other("cron_started", "tarting job `", r"job `(?P<name>[^`\n]+)`", role=CONTEXT),
    _other("cron_started", ") starting", r"Job '(?P<name>[^'\n]+)' \(\d+\) starting", role=CONTEXT),
    # What breaks behind a transaction pool.
    _other("transaction_pooling", "prepared statement", r'prepared statement "(?P<name>[^"]+)" (?:does not|already)'),
    _other("transaction_pooling", 'cursor "', r'cursor "(?P<name>[^"]+)" does not exist'),
    _other("proxy_pinning", "was pinned to the database connection"),
    _other("pgb_evicted", "closing because: evicted"),
    _other("pgb_auto_database", "registered new auto-database", r"database: (?:db=)?(?P<name>\S+)"),
    _other("odoo_dead_connection", "Cannot reset connection at index"),
    _other("would_block", "Resource temporarily unavailable"),
    # PostgreSQL and PgBouncer life.
    _other("pg_ready", "database system is ready to accept", role=CAUSE),
    _other("pg_stopped", "database system is shut down", role=CAUSE),
    _other("pg_shutdown_requested", " shutdown request", r"received \w+ shutdown request", role=CAUSE),
    _other("pg_reloaded", "received SIGHUP, reloading", role=CONTEXT),
    _other("pgb_started", "process up: PgBouncer", role=CAUSE),
    _other("slow_statement", "LOG:  duration: ", r"LOG:  duration: (?P<name>\d{4,})(?:\.\d+)? ms"),
)
"""Look-alikes, causes and housekeeping."""

LOST: tuple[Signature, ...] = (
    _lost("dns", "could not translate host name", r'host name "(?P<name>[^"\n]+)"'),
    _lost("dns", "Name or service not known"),
    _lost("dns", "Temporary failure in name resolution"),
    _lost("tls", "SSL error"),
    _lost("tls", "certificate verify failed"),
    _lost("tls", "server does not support SSL"),
    _lost("connection_lost", "SSL connection has been closed unexpectedly"),
    _lost("connection_refused", "Connection refused"),
    _lost("connection_refused", "sbuf_connect failed"),
    _lost("connection_refused", "failed: No such file or directory", r"socket .* failed: No such file or directory"),
    _lost("connection_timeout", "Connection timed out"),
    _lost("connection_timeout", "timeout expired"),
    _lost("network_unreachable", "No route to host"),
    _lost("network_unreachable", "Network is unreachable"),
    _lost("server_connection_lost", "server conn crashed?"),
    _lost("connection_lost", "server closed the connection unexpectedly"),
    _lost("connection_lost", "onnection already closed"),
    _lost("client_connection_lost", "unexpected EOF on client connection"),
    _lost("client_connection_lost", "could not receive data from client"),
    _lost("client_connection_lost", "could not send data to client"),
    _lost("connection_lost", "could not receive data from server"),
    _lost("connection_lost", "Connection reset by peer"),
    _lost("connection_lost", "ursor already closed"),
)
"""Connections that were lost or never made: the reason, if it was a limit, stands in another log."""
