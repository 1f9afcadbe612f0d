"""Which calls open a connection, of which kind, and what gives it back.

Sources: odoo/sql_db.py 17.0-19.0 (``Cursor.__exit__`` commits and closes), psycopg2 2.9 (``with connection`` ends the
transaction and does not close: https://www.psycopg.org/docs/connection.html), psycopg 3 (``with`` closes:
https://www.psycopg.org/psycopg3/docs/basic/from_pg2.html), asyncpg, SQLAlchemy 2.0 (``Engine.dispose``).
"""

from __future__ import annotations

import ast
import re

import msgspec

from slotwise.leaks.names import chain, dotted


class Kind(msgspec.Struct, frozen=True):
    """A kind of thing that holds a slot: its noun, the methods that give it back, and whether ``with`` does.

    ``attribute`` is where an object of the addon keeps the connection that makes it such a thing.
    """

    name: str
    noun: str
    releases: frozenset[str]
    with_releases: bool
    attribute: str = ""


CURSOR = Kind("cursor", "Odoo cursor", frozenset({"close"}), True)
PSYCOPG2 = Kind("psycopg2", "psycopg2 connection", frozenset({"close"}), False)
PSYCOPG = Kind("psycopg", "psycopg connection", frozenset({"close"}), True)
ASYNCPG = Kind("asyncpg", "asyncpg connection", frozenset({"close", "terminate"}), False)
ALCHEMY = Kind("sqlalchemy", "SQLAlchemy connection", frozenset({"close", "invalidate", "remove"}), True)
CHECKOUT = Kind("checkout", "connection taken from a pool", frozenset({"close"}), True)
ENGINE = Kind("engine", "SQLAlchemy engine (a connection pool)", frozenset({"dispose"}), False)
POOL = Kind("pool", "connection pool", frozenset({"closeall", "close", "terminate", "disconnect"}), True)

RAW = frozenset({"psycopg2", "psycopg", "asyncpg", "sqlalchemy", "checkout"})
POOLS = frozenset({"engine", "pool"})

#: Calls that open something that holds a slot, by dotted name.
OPENING_CALLS: dict[str, Kind] = {
    "psycopg2.connect": PSYCOPG2,
    "psycopg2.extensions.connection": PSYCOPG2,
    "psycopg2cffi.connect": PSYCOPG2,
    "pg8000.connect": PSYCOPG2,
    "pg8000.dbapi.connect": PSYCOPG2,
    "aiopg.connect": PSYCOPG,
    "psycopg.connect": PSYCOPG,
    "psycopg.Connection.connect": PSYCOPG,
    "psycopg.AsyncConnection.connect": PSYCOPG,
    "asyncpg.connect": ASYNCPG,
    "sqlalchemy.orm.Session": ALCHEMY,
    "sqlalchemy.ext.asyncio.AsyncSession": ALCHEMY,
    "sqlalchemy.create_engine": ENGINE,
    "sqlalchemy.engine.create_engine": ENGINE,
    "sqlalchemy.ext.asyncio.create_async_engine": ENGINE,
    "psycopg2.pool.SimpleConnectionPool": POOL,
    "psycopg2.pool.ThreadedConnectionPool": POOL,
    "psycopg2.pool.PersistentConnectionPool": POOL,
    "psycopg_pool.ConnectionPool": POOL,
    "psycopg_pool.AsyncConnectionPool": POOL,
    "psycopg_pool.NullConnectionPool": POOL,
    "asyncpg.create_pool": POOL,
    "aiopg.create_pool": POOL,
    "odoo.sql_db.Cursor": CURSOR,
    "odoo.sql_db.TestCursor": CURSOR,
    "odoo.db.Cursor": CURSOR,
}
#: Calls whose result has a cursor() that borrows from the pool.
_REGISTRY_CALLS = frozenset(
    {
        "odoo.registry",
        "odoo.modules.registry.Registry",
        "odoo.modules.registry.Registry.new",
        "odoo.modules.registry.RegistryManager.get",
        "odoo.modules.registry.RegistryManager.new",
        "odoo.modules.registry",
        "odoo.orm.registry.Registry",
        "odoo.sql_db.db_connect",
        "odoo.sql_db.Connection",
        "odoo.db.db_connect",
        "odoo.db.Connection",
    }
)
_REGISTRY_ENDS = ("registry.Registry", "sql_db.db_connect", "sql_db.Connection", "RegistryManager.get", "Registry.new")
_REGISTRY_NAME = re.compile(r"^_?(?:[a-z0-9_]*_)?(?:registry|reg)\d?$")
_ENGINE_NAME = re.compile(r"(?:^|_)engine$", re.IGNORECASE)
_POOL_NAME = re.compile(r"(?:^|_)(?:pool|connections)$", re.IGNORECASE)
_OTHER_DATABASE = re.compile(r"mysql|mariadb|mssql|sqlite|oracle|pyodbc|pymssql|hana|firebird|db2|snowflake|duckdb")


def article(noun: str) -> str:
    """The noun with its article."""
    return f"an {noun}" if noun[:1] in "AEIOUaeiou" else f"a {noun}"


class Meanings(msgspec.Struct):
    """What the local names of one function stand for, besides connections (filled while assignments are read)."""

    names: dict[str, str]
    registries: set[str]
    engines: set[str]
    pools: set[str]
    session_makers: set[str]
    other_database: bool = False

    def note(self, target: str, value: ast.expr) -> None:
        """Remember that ``target`` (a dotted local name) now is a registry, an engine, a pool or a session maker."""
        value = value.value if isinstance(value, ast.Await) else value
        if self.is_registry(value):
            self.registries.add(target)
        if isinstance(value, ast.Call):
            name = dotted(value.func, self.names) or ""
            kind = OPENING_CALLS.get(name)
            if kind is ENGINE:
                self.engines.add(target)
            elif kind is POOL:
                self.pools.add(target)
            elif name in ("sqlalchemy.orm.sessionmaker", "sqlalchemy.orm.scoped_session"):
                self.session_makers.add(target)

    def is_registry(self, node: ast.expr) -> bool:
        """Whether ``node`` is something of Odoo whose ``.cursor()`` borrows a connection."""
        if isinstance(node, ast.Call):
            name = dotted(node.func, self.names)
            return name is not None and (name in _REGISTRY_CALLS or name.endswith(_REGISTRY_ENDS) or name == "Registry")
        text = chain(node)
        if text is None:
            return False
        if text in self.registries:
            return True
        last = text.rpartition(".")[2]
        if last == "pool":
            return text.split(".")[0] in ("self", "cls", "env", "record", "request")
        return bool(_REGISTRY_NAME.match(last))

    def opened_by(self, call: ast.Call) -> Kind | None:
        """The kind of thing that ``call`` opens, or None when it opens nothing that holds a slot."""
        func = call.func
        name = dotted(func, self.names)
        kind = OPENING_CALLS.get(name) if name is not None else None
        if kind is ENGINE and self._holds_nothing(call):
            return None
        if kind is not None:
            return kind
        if isinstance(func, ast.Attribute):
            return self._opened_by_method(func)
        return ALCHEMY if self.makes_session(call) else None

    def makes_session(self, call: ast.Call) -> bool:
        """Whether ``call`` makes an SQLAlchemy session: it connects when it is first used, so that this cannot fail."""
        func = call.func
        if isinstance(func, ast.Name):
            return func.id in self.session_makers
        return isinstance(func, ast.Call) and dotted(func.func, self.names) == "sqlalchemy.orm.sessionmaker"

    def _opened_by_method(self, func: ast.Attribute) -> Kind | None:
        receiver = func.value.value if isinstance(func.value, ast.Await) else func.value
        if func.attr == "cursor":
            return CURSOR if self.is_registry(receiver) else None
        if func.attr in ("connect", "raw_connection") and self._is_engine(receiver):
            return None if self.other_database else ALCHEMY
        if func.attr == "getconn":
            return CHECKOUT
        if func.attr == "acquire" and self._is_pool(receiver):
            return CHECKOUT
        return None

    def _is_engine(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call):
            return OPENING_CALLS.get(dotted(node.func, self.names) or "") is ENGINE and not _names_other_database(node)
        text = chain(node)
        if text is None:
            return False
        return text in self.engines or (
            bool(_ENGINE_NAME.search(text)) and any(v.split(".")[0] == "sqlalchemy" for v in self.names.values())
        )

    def _is_pool(self, node: ast.expr) -> bool:
        text = chain(node)
        if text is None:
            return False
        async_driver = any(v.split(".")[0] in ("asyncpg", "aiopg") for v in self.names.values())
        return text in self.pools or (async_driver and bool(_POOL_NAME.search(text.rpartition(".")[2])))

    def _holds_nothing(self, call: ast.Call) -> bool:
        """An engine without a pool, or one that talks to another kind of database, keeps no PostgreSQL slot."""
        for keyword in call.keywords:
            if keyword.arg == "poolclass" and (chain(keyword.value) or "").endswith("NullPool"):
                return True
        return self.other_database or _names_other_database(call)


def names_other_database(text: str) -> bool:
    """Whether a name or a path says that its code talks to a database that is not PostgreSQL."""
    return bool(_OTHER_DATABASE.search(text.lower()))


def _names_other_database(call: ast.Call) -> bool:
    first = call.args[0] if call.args else None
    if isinstance(first, ast.JoinedStr) and first.values:
        first = first.values[0] if isinstance(first.values[0], ast.Constant) else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        scheme = first.value.split(":", 1)[0].lower()
        return bool(scheme) and not scheme.startswith("postgres")
    return False
