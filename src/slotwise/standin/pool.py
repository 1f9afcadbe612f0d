"""Odoo's connection pool, rule by rule: one in each process, for all databases together.

Source: odoo/sql_db.py ``ConnectionPool`` (17.0:600-729, 18.0:640-772, 19.0:600-733). No connection is ever waited for,
and none is closed by a timer: an idle one goes when the same process borrows again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from slotwise.standin.connection import OperationalError


class PoolFull(Exception):
    """All connections of the pool are borrowed (psycopg2.pool.PoolError: The Connection Pool Is Full)."""

    def __init__(self) -> None:
        super().__init__("The Connection Pool Is Full")


class Poolable(Protocol):
    """What the pool asks of a connection."""

    parameters: dict[str, str]
    leaked: bool

    @property
    def closed(self) -> bool:
        """Whether it is of no use any more."""

    def reset(self) -> None:
        """Make it as good as new; raises OperationalError when it is dead."""

    def close(self) -> None:
        """End it."""


C = TypeVar("C", bound=Poolable)


class _Entry(Generic[C]):
    """A connection, whether it is borrowed, and when it was last given back (seconds of the pool's clock)."""

    def __init__(self, connection: C) -> None:
        self.connection = connection
        self.used = True
        self.last_used = 0.0


class ConnectionPool(Generic[C]):
    """At most ``maximum`` connections, made by ``connect``; ``clock`` counts seconds."""

    def __init__(
        self,
        maximum: int,
        *,
        connect: Callable[[Mapping[str, str]], C],
        clock: Callable[[], float],
        idle_timeout_seconds: float,
        mode: str = "read/write",
    ) -> None:
        self._maximum = max(maximum, 1)
        self._connect = connect
        self._clock = clock
        self._idle_timeout_seconds = idle_timeout_seconds
        self._mode = mode
        self._entries: list[_Entry[C]] = []

    def __repr__(self) -> str:
        return f"ConnectionPool({self._mode};used={self.used}/count={self.count}/max={self._maximum})"

    @property
    def count(self) -> int:
        """Connections in the pool, borrowed or idle."""
        return len(self._entries)

    @property
    def used(self) -> int:
        """Connections that are borrowed now."""
        return sum(entry.used for entry in self._entries)

    def borrow(self, parameters: Mapping[str, str]) -> C:
        """A connection with exactly these ``parameters`` (the password apart).

        Raises PoolFull when all are borrowed, OperationalError when a new one is refused.
        """
        self._drop_idle_dead_and_leaked()
        return self._reuse(parameters) or self._open(parameters)

    def give_back(self, connection: C, *, keep: bool) -> None:
        """The borrower is done: the connection becomes idle, or is closed when it is not to be kept.

        Raises LookupError when it is not of this pool, e.g. closed by close_all meanwhile.
        """
        entry = next((entry for entry in self._entries if entry.connection is connection), None)
        if entry is None:
            raise LookupError("This connection does not belong to the pool")
        if keep:
            entry.used = False
            entry.last_used = self._clock()
        else:
            self._entries.remove(entry)
            connection.close()

    def close_all(self, parameters: Mapping[str, str] | None = None) -> int:
        """Close every connection, or those with these ``parameters``, borrowed ones too; how many that were."""
        chosen = [entry for entry in self._entries if parameters is None or _same(entry.connection, parameters)]
        for entry in chosen:
            self._entries.remove(entry)
            entry.connection.close()
        return len(chosen)

    def _drop_idle_dead_and_leaked(self) -> None:
        for entry in reversed(self._entries.copy()):
            idle_seconds = self._clock() - entry.last_used
            if not entry.used and not entry.connection.closed and idle_seconds > self._idle_timeout_seconds:
                entry.connection.close()
            if entry.connection.closed:
                self._entries.remove(entry)
            elif entry.connection.leaked:
                entry.connection.leaked = False
                entry.used = False

    def _reuse(self, parameters: Mapping[str, str]) -> C | None:
        for entry in self._entries:
            if not entry.used and _same(entry.connection, parameters):
                try:
                    entry.connection.reset()
                except OperationalError:
                    entry.connection.close()
                    continue
                entry.used = True
                return entry.connection
        return None

    def _open(self, parameters: Mapping[str, str]) -> C:
        if len(self._entries) >= self._maximum:
            oldest = next((entry for entry in self._entries if not entry.used), None)
            if oldest is None:
                raise PoolFull
            self._entries.remove(oldest)
            oldest.connection.close()
        connection = self._connect(parameters)
        self._entries.append(_Entry(connection))
        return connection


def _same(connection: Poolable, parameters: Mapping[str, str]) -> bool:
    """Odoo compares all parameters but the password (``_dsn_equals``): application_name counts."""
    return _without_password(connection.parameters) == _without_password(parameters)


def _without_password(parameters: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name != "password"}
