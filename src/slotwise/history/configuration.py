"""The settings that decide about connections, as the history keeps them to tell what a change did. Pure; no secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import Odoo
from slotwise.snapshot.pgbouncer import PgBouncers
from slotwise.snapshot.postgres import Databases, Roles, Server, Settings

_POSTGRES = (
    "max_connections",
    "superuser_reserved_connections",
    "reserved_connections",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "statement_timeout",
    "shared_buffers",
    "work_mem",
)
_ODOO = ("workers", "max_cron_threads", "db_maxconn", "db_maxconn_gevent", "limit_time_real", "db_name", "db_port")
_PGBOUNCER = (
    "pool_mode",
    "default_pool_size",
    "reserve_pool_size",
    "max_client_conn",
    "max_db_connections",
    "max_user_connections",
)
_OWN_LOGIN = frozenset({"client", "user", "database", "database user", "session", "interactive"})
"""pg_settings.source of a value that says nothing about other sessions."""


def configuration_of(snapshot: Snapshot) -> dict[str, str]:
    """What is set, by name; a part that could not be read has no names here."""
    return dict([*_server(snapshot), *_odoo(snapshot), *_poolers(snapshot), *_limits(snapshot)])


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether something that was seen before has another value now. What was not seen is no change."""
    return any(name in before and before[name] != value for name, value in now.items())


def _server(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    if isinstance(snapshot.server, Server):
        yield "PostgreSQL version", str(snapshot.server.version_num)
    if isinstance(snapshot.settings, Settings):
        for name in _POSTGRES:
            setting = snapshot.settings.find(name)
            if setting is not None and setting.source not in _OWN_LOGIN:
                yield name, setting.value + (f" {setting.unit}" if setting.unit else "")


def _odoo(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    if not isinstance(snapshot.odoo, Odoo):
        return
    for instance in snapshot.odoo.instances:
        if instance.version is not None:
            yield f"{instance.id}: version", instance.version
        for name in _ODOO:
            option = instance.option(name)
            if option is not None:
                yield f"{instance.id}: {name}", str(option.value)


def _poolers(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    if isinstance(snapshot.pgbouncers, PgBouncers):
        for one in snapshot.pgbouncers.pgbouncers:
            for name in _PGBOUNCER:
                if name in one.config:
                    yield f"PgBouncer {one.address}: {name}", one.config[name]


def _limits(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    if isinstance(snapshot.roles, Roles):
        for role in snapshot.roles.roles:
            if role.can_login:
                yield f"role {role.name}: CONNECTION LIMIT", str(role.connection_limit)
    if isinstance(snapshot.databases, Databases):
        for database in snapshot.databases.databases:
            yield f"database {database.name}: CONNECTION LIMIT", str(database.connection_limit)
