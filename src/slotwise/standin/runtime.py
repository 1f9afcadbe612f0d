"""What every Odoo process has in it: its pools, its registries, its cursors. No decisions about when they are used."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Literal

from slotwise.standin.connection import OperationalError, Row, ServerConnection
from slotwise.standin.log import OdooLog
from slotwise.standin.pool import ConnectionPool
from slotwise.standin.settings import NEVER_POOLED, StandinSettings


class Runtime:
    """One process's share of Odoo. ``evented`` in the gevent process only."""

    def __init__(self, settings: StandinSettings, log: OdooLog, *, evented: bool = False) -> None:
        self.settings = settings
        self.log = log
        self.seconds_ahead = 0.0
        """How far this process's clock has been put forward."""
        self._evented = evented
        self.pool = self._new_pool("read/write")
        self.read_only_pool = self._new_pool("read-only")
        self.registries: dict[str, Registry] = {}

    @property
    def version(self) -> int:
        """Odoo's major version."""
        return self.settings.odoo_version

    def clock(self) -> float:
        """Seconds, monotonic."""
        return time.monotonic() + self.seconds_ahead

    def connection_parameters(self, database: str, *, read_only: bool = False) -> dict[str, str]:
        """As ``connection_info_for`` makes them: ``application_name`` says which process asked (18.0:813-837)."""
        settings = self.settings
        chosen: dict[str, object | None] = {
            "dbname": database,
            "application_name": f"odoo-{os.getpid()}",
            "host": settings.db_host,
            "port": settings.db_port,
            "user": settings.db_user,
            "password": settings.db_password,
            "sslmode": settings.db_sslmode,
        }
        if read_only:
            # No port of its own means libpq's default, not db_port (18.0:829-837).
            chosen |= {"host": settings.db_replica_host or settings.db_host, "port": settings.db_replica_port}
        return {name: str(value) for name, value in chosen.items() if value is not None}

    def cursor(self, database: str) -> Cursor:
        """``db_connect(database).cursor()``: this process's own name, not the registry's."""
        return Cursor(self.pool, database, self.connection_parameters(database))

    def registry(self, database: str) -> Registry:
        """The database's registry, loaded at the first use in this process or before the fork."""
        if database not in self.registries:
            registry = Registry(self, database)
            self.registries[database] = registry
            try:
                registry.load()
            except BaseException:
                del self.registries[database]
                raise
        return self.registries[database]

    def raw_connection(self, database: str) -> ServerConnection:
        """An addon's own ``psycopg2.connect``: no application_name, unknown to the pool."""
        parameters = self.connection_parameters(database)
        del parameters["application_name"]
        return self._connect(parameters, "BEGIN")

    def close_database(self, database: str) -> None:
        """``close_db``: only what carries this process's own name is found (18.0:856-861)."""
        self.pool.close_all(self.connection_parameters(database))

    def close_all(self) -> None:
        """Close every pooled connection."""
        self.pool.close_all()
        self.read_only_pool.close_all()

    def _new_pool(self, mode: Literal["read/write", "read-only"]) -> ConnectionPool[ServerConnection]:
        # psycopg2 puts these into BEGIN itself. 18.0 began to call set_session(readonly=...) on every cursor (296-297).
        access = {"read/write": " READ WRITE", "read-only": " READ ONLY"}[mode] if self.version >= 18 else ""
        begin = f"BEGIN ISOLATION LEVEL REPEATABLE READ{access}"
        return ConnectionPool(
            self.settings.pool_size(evented=self._evented),
            connect=lambda parameters: self._connect(parameters, begin),
            clock=self.clock,
            idle_timeout_seconds=self.settings.idle_timeout_seconds,
            mode=mode,
        )

    def _connect(self, parameters: Mapping[str, str], begin: str) -> ServerConnection:
        try:
            return ServerConnection(parameters, begin)
        except OperationalError:
            self.log.connection_refused()
            raise


class Registry:
    """A database's models. What counts here: whose name its sessions carry, and that loading it takes a cursor.

    The parameters are made once, by the process that creates the object; forked children go on using them (18.0
    odoo/modules/registry.py:170-173).
    """

    def __init__(self, runtime: Runtime, database: str) -> None:
        self.database = database
        self._parameters = runtime.connection_parameters(database)
        self._read_only_parameters: dict[str, str] | None = None
        if runtime.settings.db_replica_host is not None and runtime.version >= 18:
            self._read_only_parameters = runtime.connection_parameters(database, read_only=True)
        self._runtime = runtime

    def cursor(self, *, read_only: bool = False) -> Cursor:
        """A cursor on the database; on the replica if asked for, there is one, and it answers."""
        if read_only and self._read_only_parameters is not None:
            try:
                return Cursor(self._runtime.read_only_pool, self.database, self._read_only_parameters, read_only=True)
            except OperationalError:
                self._runtime.log.line(
                    "WARNING",
                    self.database,
                    "odoo.registry" if self._runtime.version >= 19 else "odoo.modules.registry",
                    "Failed to open a readonly cursor, falling back to read-write cursor",
                )
        return Cursor(self._runtime.pool, self.database, self._parameters)

    def load(self) -> None:
        """``Registry.new``: the signalling sequences and then the modules, one cursor after the other."""
        for statement in ("SELECT 1 /* signaling */", "SELECT 1 /* modules */"):
            with self.cursor() as cursor:
                cursor.execute(statement)


class Cursor:
    """Odoo's cursor: borrows a connection for its whole life. As ``with``: commits, or rolls back after an error."""

    def __init__(
        self,
        pool: ConnectionPool[ServerConnection],
        database: str,
        parameters: Mapping[str, str],
        *,
        read_only: bool = False,
    ) -> None:
        self._pool = pool
        self._keep = database not in NEVER_POOLED
        self.read_only = read_only
        self.connection = pool.borrow(parameters)
        self._closed = False

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.commit()
        finally:
            self.close()

    def execute(self, statement: str) -> list[Row]:
        """Run a statement in the cursor's transaction; its rows as text."""
        return self.connection.execute(statement)

    def commit(self) -> None:
        """End the transaction, if there is one."""
        self.connection.commit()

    def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        self.connection.rollback()

    def close(self) -> None:
        """Roll back what is open and give the connection back; harmless when done already."""
        if self._closed:
            return
        self._closed = True
        try:
            self.connection.rollback()
        finally:
            self._pool.give_back(self.connection, keep=self._keep)
