"""What changed between Odoo versions in how they hold connections: one table, each row with its source."""

from __future__ import annotations

import msgspec


class VersionChange(msgspec.Struct, frozen=True):
    """One change that came with ``version`` (major), in one sentence, and where it is in the source."""

    version: int
    change: str
    source: str


VERSION_CHANGES: tuple[VersionChange, ...] = (
    VersionChange(
        18,
        "a second, read-only odoo_pool of the same size exists once db_replica_host is set; an empty db_replica_host "
        "opens it against the same server and doubles what it can take",
        "odoo/sql_db.py 18.0:840-849, odoo/modules/registry.py 18.0:172",
    ),
    VersionChange(
        18,
        "limit_time_worker_cron recycles cron workers and their LISTEN sessions",
        "odoo/service/server.py 18.0:1246-1255",
    ),
    VersionChange(
        18,
        "a request matches its route on one cursor and is served on the next: one after the other, so no more at once",
        "odoo/http.py 18.0 _serve_db",
    ),
    VersionChange(
        18,
        "longpolling_port is gone: the file's key is ignored, the option is gevent_port",
        "odoo/tools/config.py 18.0",
    ),
    VersionChange(
        19,
        "requests try the replica first, so with a replica most HTTP connections move there",
        "odoo/http.py 19.0:2219-2269",
    ),
    VersionChange(
        19,
        "login and RPC password checks run on the request's own cursor: no second connection from them",
        "odoo/addons/base/models/res_users.py 19.0",
    ),
    VersionChange(
        19,
        "the master opens a cursor on every preloaded registry before each respawn; when no slot is left "
        "there the whole server stops",
        "odoo/service/server.py 19.0:975-999,1176-1179",
    ),
    VersionChange(
        19,
        "SIGHUP starts the new server before the old one ends: for a moment both hold connections",
        "odoo/service/server.py 19.0:1057-1137",
    ),
    VersionChange(
        19,
        "threaded cron polls every database, not only the loaded ones",
        "odoo/service/server.py 19.0:110-111,541-562",
    ),
    VersionChange(
        19,
        "an empty db_replica_host no longer opens a second pool against the same server",
        "odoo/orm/registry.py 19.0:264, odoo/tools/config.py 19.0:679-699",
    ),
)


def changes_between(old: int, new: int) -> tuple[VersionChange, ...]:
    """The changes that an upgrade from ``old`` to ``new`` brings, oldest first; none when the version goes down."""
    return tuple(change for change in VERSION_CHANGES if old < change.version <= new)
