import atexit
import weakref
from functools import lru_cache

import odoo
import psycopg2
from odoo import api, models
from odoo.modules.registry import Registry
from odoo.sql_db import db_connect


class AuditStore:
    """Kept, never closed."""

    def __init__(self, dsn):
        self.dsn = dsn
        self._conn = psycopg2.connect(dsn)  # expect: SW608

    def write(self, line):
        with self._conn.cursor() as cur:
            cur.execute("INSERT INTO audit VALUES (%s)", (line,))
        self._conn.commit()


class LazyStore:
    _conn = None

    def connection(self):
        if not self._conn:
            self._conn = psycopg2.connect(self.dsn)  # expect: SW608
        return self._conn


class CursorStore:
    def open(self, dbname):
        self.cr = Registry(dbname).cursor()  # expect: SW608
        self.env = odoo.api.Environment(self.cr, 1, {})

    def read(self):
        self.cr.execute("SELECT 1")
        return self.cr.fetchall()


class RollbackOnlyStore:
    def __init__(self, dbname):
        self._cr = db_connect(dbname).cursor()  # expect: SW608

    def stop(self):
        self._cr.rollback()


class PoolStore:
    def __init__(self, dsn):
        import psycopg2.pool

        self.pool = psycopg2.pool.SimpleConnectionPool(1, 5, dsn)  # expect: SW608

    def take(self):
        return self.pool.getconn()


class SingletonStore:
    _shared = None

    @classmethod
    def shared(cls):
        if cls._shared is None:
            cls._shared = psycopg2.connect("dbname=audit")  # expect: SW607
        return cls._shared

    @lru_cache(maxsize=None)
    def reader(self):
        return psycopg2.connect("dbname=audit")  # expect: SW607


class AuditModel(models.Model):
    _name = "audit.line"
    _description = "Audit"

    _connection = psycopg2.connect("dbname=audit")  # expect: SW612

    def _register_hook(self):
        super()._register_hook()
        type(self)._hook_cr = self.pool.cursor()  # expect: SW612

    def _keep_in_registry(self):
        self.env.registry._audit_cr = self.env.registry.cursor()  # expect: SW607

    def make_counter(self):
        cr = self.env.registry.cursor()  # expect: SW607

        def count(table):
            cr.execute("SELECT count(*) FROM audit_line")
            return cr.fetchone()[0]

        return count

    def later(self):
        cr = self.env.registry.cursor()  # expect: SW607
        self.env.cr.postcommit.add(lambda: cr.execute("SELECT 1"))


class AuditQueue(models.Model):
    _inherit = "audit.line"

    def _register_hook(self):  # clean
        res = super()._register_hook()
        with self.pool.cursor() as cr:
            cr.execute("SELECT 1")
        return res


# ---------------------------------------------------------------------------------------- done well


class ClosingStore:
    def __init__(self, dsn):  # clean
        self._conn = psycopg2.connect(dsn)

    def close(self):  # clean
        self._conn.close()


class CleverStore:
    def __init__(self, dsn):  # clean
        self._conn = psycopg2.connect(dsn)
        try:
            self._conn.autocommit = True
            self._setup()
        except BaseException:
            self.close()
            raise

    def close(self):  # clean
        try:
            self._conn.close()
        except Exception:
            pass
        self._conn = None

    def _setup(self):  # clean
        with self._conn.cursor() as cur:
            cur.execute("CREATE TABLE IF NOT EXISTS audit (line text)")


class ContextStore:
    def __init__(self, dsn):  # clean
        self.dsn = dsn
        self.conn = None

    def __enter__(self):  # clean
        self.conn = psycopg2.connect(self.dsn)
        return self

    def __exit__(self, *exc_info):  # clean
        self.conn.close()


class AliasStore:
    def __init__(self, dbname):  # clean
        self._cr = db_connect(dbname).cursor()

    def stop(self):  # clean
        cr, self._cr = self._cr, None
        if cr is not None:
            cr.close()


class FinalizedStore:
    def __init__(self, dsn):  # clean
        self._conn = psycopg2.connect(dsn)
        weakref.finalize(self, self._conn.close)


class AtexitStore:
    def __init__(self, dsn):  # clean
        self._conn = psycopg2.connect(dsn)
        atexit.register(self._conn.close)


class ReopeningStore:
    def __init__(self, uri):  # clean
        self._cr = None
        self._open_connection(uri)

    def _open_connection(self, uri):  # clean
        self._close_connection()
        cnx = odoo.sql_db.db_connect(uri, allow_uri=True)
        self._cr = cnx.cursor()

    def _close_connection(self):  # clean
        if self._cr is not None:
            try:
                self._cr.close()
            except Exception:
                pass
            self._cr = None


class ParentStore:
    def __init__(self, dsn):  # clean
        self._conn = psycopg2.connect(dsn)

    def shutdown(self):  # clean
        for connection in (self._conn,):
            connection.close()


class BaseStore:
    conn = None

    def __del__(self):  # clean
        if self.conn:
            self.conn.close()


class DerivedStore(BaseStore):
    def open(self, dsn):  # clean
        self.conn = psycopg2.connect(dsn)


class ManyStore:
    def __init__(self):  # clean
        self._conns = []

    def open(self, dsn):  # clean
        conn = psycopg2.connect(dsn)
        self._conns.append(conn)
        return conn

    def close(self):  # clean
        for conn in self._conns:
            conn.close()
        self._conns.clear()


class ByNameStore:
    def __init__(self):  # clean
        self._by_name = {}

    def get(self, name):  # clean
        if name not in self._by_name:
            self._by_name[name] = psycopg2.connect(dbname=name)
        return self._by_name[name]

    def drop(self, name):  # clean
        self._by_name.pop(name).close()


class PooledStore:
    def __init__(self, dsn):  # clean
        import psycopg2.pool

        self.pool = psycopg2.pool.SimpleConnectionPool(1, 5, dsn)

    def stop(self):  # clean
        self.pool.closeall()


class Local:
    @api.model
    def collect(self, dsns):  # clean
        conns = []
        try:
            for dsn in dsns:
                conns.append(psycopg2.connect(dsn))
            return [c.server_version for c in conns]
        finally:
            for c in conns:
                c.close()

    def deferred(self):  # clean
        cr = self.env.registry.cursor()

        def finish():
            cr.commit()
            cr.close()

        self.env.cr.postcommit.add(finish)

    def inner_function(self):  # clean
        cr = self.env.registry.cursor()

        def release():
            cr.close()

        try:
            cr.execute("SELECT 1")
        finally:
            release()
