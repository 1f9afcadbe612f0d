"""The catalogue of probable causes: what they are called, which rule of slotwise goes with them, and what helps.

The remedies of *PoolError* and of *too many clients* are opposite (a bigger ``db_maxconn`` cures the one and worsens
the other), so each cause also says what not to do.
"""

from __future__ import annotations

import msgspec


class Cause(msgspec.Struct, frozen=True):
    """One probable cause. ``rule`` is the slug of the rule that judges the configuration behind it, if there is one."""

    slug: str
    title: str
    remedy: str
    avoid: str | None = None
    rule: str | None = None


def _cause(slug: str, title: str, remedy: str, avoid: str | None = None, rule: str | None = None) -> tuple[str, Cause]:
    return slug, Cause(slug, title, remedy, avoid, rule)


_NOT_POOL = "do not raise db_maxconn: every Odoo process would take more slots of a server that has none left"
_NOT_SERVER = "do not raise max_connections: PostgreSQL refused nobody"

CAUSES: dict[str, Cause] = dict(
    (
        _cause(
            "slots-exhausted",
            "Odoo's processes and the other clients want more slots than PostgreSQL has",
            "lower db_maxconn or workers until they fit, or put PgBouncer between; raise max_connections last",
            _NOT_POOL,
            "demand-above-supply",
        ),
        _cause(
            "leak",
            "a process takes connections and does not give them back",
            "restart it, then find the code: slotwise scan names cursors and connections that stay open",
            "do not raise max_connections or db_maxconn: a leak fills any size",
            "leaking-process",
        ),
        _cause(
            "deploy-surge",
            "old and new processes held connections at the same time, after a start or an upgrade",
            "let the old processes end before the new ones start, or keep slots free for both",
            _NOT_POOL,
            "headroom-below-reserve",
        ),
        _cause(
            "cron-surge",
            "many scheduled actions began at the same time, each with two or three connections",
            "spread their times of execution, or lower max_cron_threads",
            _NOT_POOL,
            "demand-above-supply",
        ),
        _cause(
            "database-fanout",
            "every process keeps connections to many databases",
            "pin db_name, lower db_maxconn or the idle timeout of Odoo's pool",
            _NOT_POOL,
            "database-fanout",
        ),
        _cause(
            "lock-pileup",
            "sessions wait for a lock and hold their slots meanwhile",
            "end the session at the root of the waits, then look at what it did",
            _NOT_POOL,
            "lock-pileup",
        ),
        _cause(
            "role-limit",
            "the role's CONNECTION LIMIT is reached",
            "ALTER ROLE ... CONNECTION LIMIT, after counting what the role needs",
            "do not raise max_connections: the server has slots left",
            "role-or-database-limit",
        ),
        _cause(
            "database-limit",
            "the database's CONNECTION LIMIT is reached",
            "ALTER DATABASE ... CONNECTION LIMIT, after counting what the database needs",
            "do not raise max_connections: the server has slots left",
            "role-or-database-limit",
        ),
        _cause(
            "unauthenticated-flood",
            "many sessions that never log in fill PostgreSQL's table of processes",
            "find who opens them (ss -tn by peer: a health check, a scanner); lower authentication_timeout",
            _NOT_POOL,
        ),
        _cause(
            "odoo-pool-small",
            "one Odoo process needs more connections at once than db_maxconn allows it",
            "raise db_maxconn (8 or more); when PostgreSQL then lacks slots, lower workers instead",
            _NOT_SERVER,
            "odoo-pool-below-floor",
        ),
        _cause(
            "gevent-pool-small",
            "the websocket process needs more connections at once than its pool allows",
            "set db_maxconn_gevent (32 to 64: it is one process)",
            _NOT_SERVER,
            "gevent-pool-unset",
        ),
        _cause(
            "pooler-client-limit",
            "more clients than PgBouncer's max_client_conn",
            "raise max_client_conn and, with it, the limit of open files",
            "do not raise max_connections: the clients never got as far as PostgreSQL",
            "max-client-conn-low",
        ),
        _cause(
            "pooler-starved",
            "PgBouncer's server connections were all taken for longer than query_wait_timeout",
            "find what holds them (long transactions, session pooling); then size pool_size and query_wait_timeout",
            "do not raise query_wait_timeout above Odoo's limit_time_real: the wait only gets longer",
            "pool-starved",
        ),
        _cause(
            "pooler-above-slots",
            "PgBouncer's pools together want more slots than PostgreSQL gives it",
            "cap them: max_db_connections or max_user_connections, and a smaller default_pool_size",
            "do not raise default_pool_size: it is the pools' sum that does not fit",
            "server-pools-above-slots",
        ),
        _cause(
            "server-down",
            "PostgreSQL could not be reached: nothing was listening, or the network failed",
            "find out why the server was away; the waits and refusals are only its echo",
            "do not change pool sizes: no size helps against a server that is away",
        ),
        _cause(
            "server-restart",
            "PostgreSQL was stopped or restarted",
            "nothing, if it was planned; else find who restarted it",
            "do not change pool sizes: this was no wall",
        ),
        _cause(
            "server-killed",
            "the kernel or an operator killed a PostgreSQL process, and the server dropped every session",
            "give the host memory or take less: fewer connections, less work_mem; look for OOM lines in the kernel log",
            "do not raise max_connections: more connections need more memory",
            "memory-overcommit",
        ),
        _cause(
            "server-crash",
            "a PostgreSQL process crashed, and the server dropped every session",
            "look at the signal and the statement in PostgreSQL's log; update to the last minor release",
            "do not change pool sizes: this was no wall",
        ),
        _cause(
            "process-limit",
            "the host refused PostgreSQL or Odoo another process, thread or memory",
            "look at pids.max and TasksMax, at free memory and at vm.overcommit_memory",
            "do not raise max_connections: each connection is one more process",
            "memory-overcommit",
        ),
        _cause(
            "file-limit",
            "a process ran out of file descriptors",
            "raise LimitNOFILE (or nofile of the container) above what the process expects to need",
            "do not raise max_client_conn before the limit",
        ),
        _cause(
            "not-known",
            "the logs do not tell the cause",
            "give slotwise the logs of PostgreSQL, PgBouncer and Odoo of the same time",
        ),
    )
)
