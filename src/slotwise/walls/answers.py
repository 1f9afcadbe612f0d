"""What each kind of look-alike is, and what helps: so that nobody treats a deadlock as a shortage of connections."""

from __future__ import annotations

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """One kind of message that is no limit on connections."""

    what: str
    do: str


ANSWERS: dict[str, Answer] = {
    "deadlock": Answer(
        "two transactions waited for each other (often stock moves or sequences); PostgreSQL ended one",
        "Odoo tries again by itself; if it persists, make the two statements take records in one order",
    ),
    "serialization_failure": Answer(
        "two transactions changed the same record; Odoo repeats the loser up to five times",
        "nothing, unless one hot record (a sequence, a counter) fails again and again",
    ),
    "lock_not_available": Answer(
        "a record or table was locked by somebody else (an import, a scheduled action, an upgrade)",
        "wait for it or end the session that holds the lock; no connection is missing",
    ),
    "lock_timeout": Answer(
        "a statement waited longer than lock_timeout for a lock, as in an import or upgrade on a busy database",
        "run it when nobody works; find who holds the lock in pg_locks",
    ),
    "lock_wait": Answer(
        "a session waited for a lock",
        "look at the session that holds it: slots fill up behind a lock",
    ),
    "lock_table_full": Answer(
        "the table of locks is full; its size depends on max_locks_per_transaction",
        "raise max_locks_per_transaction and restart; more connections are not needed",
    ),
    "statement_timeout": Answer(
        "a statement ran longer than statement_timeout",
        "find the statement (a slow list view, a report) and its plan",
    ),
    "slow_statement": Answer(
        "a statement took ten seconds or more (a slow list view, a report); it holds its slot all that time",
        "look at its plan and missing indexes",
    ),
    "user_cancel": Answer(
        "somebody cancelled a statement",
        "nothing",
    ),
    "idle_in_transaction_timeout": Answer(
        "a session sat idle in a transaction longer than allowed",
        "find what kept the transaction open; a running scheduled action of Odoo is idle in transaction by design",
    ),
    "idle_session_timeout": Answer(
        "an idle session was ended by idle_session_timeout; Odoo's LISTEN sessions are idle by design",
        "set it to 0 for Odoo's role",
    ),
    "transaction_timeout": Answer(
        "a transaction ran longer than transaction_timeout",
        "set it above the longest scheduled action",
    ),
    "authentication": Answer(
        "PostgreSQL or PgBouncer knows the client, and does not let it in",
        "check user, password and pg_hba.conf",
    ),
    "authentication_timeout": Answer(
        "a client did not finish logging in in time",
        "find the prober (health check, scanner); it holds a slot meanwhile",
    ),
    "database_missing": Answer(
        "the database does not exist",
        "check db_name and dbfilter",
    ),
    "database_closed": Answer(
        "the database does not accept connections",
        "ALTER DATABASE ... ALLOW_CONNECTIONS, or RESUME in PgBouncer",
    ),
    "database_in_use": Answer(
        "a database cannot be copied or dropped while sessions use it",
        "close its sessions first",
    ),
    "startup_parameter": Answer(
        "PgBouncer refuses a parameter of the client",
        "ignore_startup_parameters, or PgBouncer 1.20 for options",
    ),
    "startup_packet_noise": Answer(
        "something that does not speak PostgreSQL's protocol connected (a health check, a scanner)",
        "nothing",
    ),
    "walsender_limit": Answer(
        "all max_wal_senders are used; they are not connection slots",
        "raise max_wal_senders",
    ),
    "pg_starting": Answer(
        "PostgreSQL was starting",
        "wait; find out why it restarted if nobody asked for it",
    ),
    "pg_recovery": Answer(
        "PostgreSQL was recovering, or is a standby",
        "point Odoo to the primary",
    ),
    "pg_shutdown": Answer(
        "PostgreSQL was shutting down",
        "nothing, if it was planned",
    ),
    "pg_crash": Answer(
        "a PostgreSQL process crashed; every session was dropped",
        "look at the signal and the statement; update",
    ),
    "admin_terminate": Answer(
        "an administrator or a tool ended the session",
        "nothing, if it was meant",
    ),
    "disk_full": Answer(
        "the disk is full",
        "make room; PostgreSQL can stop altogether",
    ),
    "nginx_worker_connections": Answer(
        "nginx, not PostgreSQL, ran out of its own connections",
        "raise worker_connections in nginx.conf",
    ),
    "leak_warning": Answer(
        "code left a cursor open; Odoo closed it when Python collected it",
        "slotwise scan finds the code",
    ),
    "leak_recovered": Answer(
        "Odoo took back a connection that nobody had closed",
        "slotwise scan finds the code",
    ),
    "odoo_registry_unusable": Answer(
        "Odoo could not open the database and went on without; 18 and 19 log the user out",
        "read the error below it: it names the wall",
    ),
    "odoo_connect_failed": Answer(
        "Odoo could not connect; the reason stands in the next lines or in PostgreSQL's log",
        "read those",
    ),
    "odoo_database_init_failed": Answer(
        "Odoo could not open the database at its start or upgrade",
        "read the error below it: when it names a wall, free slots and start the upgrade again",
    ),
    "websocket_port": Answer(
        "the websocket was opened on the wrong port",
        "send /websocket to gevent_port in the web server",
    ),
    "readonly_fallback": Answer(
        "the replica could not be used; its load goes to the primary",
        "repair the replica",
    ),
    "transaction_pooling": Answer(
        "a session feature was used through a transaction pool",
        "give it a session pool or a direct connection",
    ),
    "worker_timeout": Answer(
        "a worker ran longer than limit_time_real and was killed",
        "find the slow request",
    ),
    "dns": Answer(
        "the server's name cannot be resolved",
        "repair DNS or the name in db_host",
    ),
    "tls": Answer(
        "TLS could not be agreed or broke",
        "check certificates and sslmode; a forked process must not share a connection",
    ),
    "connection_refused": Answer(
        "nothing listened at the address",
        "is PostgreSQL running there?",
    ),
    "connection_timeout": Answer(
        "no answer in time",
        "network, firewall, or a server without file descriptors",
    ),
    "network_unreachable": Answer(
        "the network does not reach the server",
        "repair the route",
    ),
    "connection_lost": Answer(
        "the connection was lost; the reason, if it was a limit or a restart, stands in the server's log",
        "read PostgreSQL's log of the same second",
    ),
    "server_connection_lost": Answer(
        "PgBouncer's connection to the server was lost under a client",
        "read PostgreSQL's log of the same second",
    ),
    "client_connection_lost": Answer(
        "a client went away without saying good-bye",
        "nothing, unless it happens all the time",
    ),
}
"""Kind to answer."""
