import threading
from contextlib import AbstractContextManager, contextmanager, ContextDecorator

import psycopg2
from psycopg2.pool import ThreadedConnectionPool
from odoo import sql_db
from odoo.sql_db import Cursor, ConnectionPool


class HubDatabase(AbstractContextManager):
    def __init__(self, dsn):
        self._dsn = dsn
        self._connection = psycopg2.connect(dsn)
        self._cursor = self._connection.cursor()

    def fetch(self, query):
        self._cursor.execute(query)
        return self._cursor.fetchall()

    def shutdown(self):
        self._cursor.close()
        self._connection.close()

    def __exit__(self, *exc_info):
        self.shutdown()


class NeverClosing:
    def __init__(self, dsn):
        self.cnx = psycopg2.connect(dsn)  # expect: SW608

    def fetch(self, query):
        with self.cnx:
            with self.cnx.cursor() as c:
                c.execute(query)
                return c.fetchall()


class Lazy:
    _cnx = None

    def __init__(self, dsn):
        self.dsn = dsn

    @property
    def cnx(self):
        if self._cnx is None or self._cnx.closed:
            self._cnx = psycopg2.connect(self.dsn)  # expect: SW608
        return self._cnx

    def fetch(self, query):
        with self.cnx.cursor() as c:
            c.execute(query)
            return c.fetchall()


class LazyClosed:
    _cnx = None

    @property
    def cnx(self):  # clean
        if self._cnx is None:
            self._cnx = psycopg2.connect("dbname=hub")
        return self._cnx

    def close(self):
        if self._cnx is not None:
            self._cnx.close()
            self._cnx = None


class Singleton:
    _instance = None

    def __new__(cls, dsn):
        if cls._instance is None:
            cls._instance = super().__new__(cls)
            cls._instance.conn = psycopg2.connect(dsn)  # expect: SW607
        return cls._instance


class transaction(ContextDecorator):
    def __enter__(self):  # clean
        self.cr = sql_db.db_connect("hub").cursor()
        return self.cr

    def __exit__(self, exc_type, exc, tb):
        try:
            if exc_type is None:
                self.cr.commit()
        finally:
            self.cr.close()


class Worker(threading.Thread):
    def __init__(self, dbname):
        super().__init__(daemon=True)
        self.dbname = dbname

    def run(self):
        cr = sql_db.db_connect(self.dbname).cursor()  # expect: SW601
        while True:
            cr.execute("SELECT 1")
            cr.commit()


class PoliteWorker(threading.Thread):
    def run(self):  # clean
        conn = sql_db.db_connect("postgres")
        with conn.cursor() as cr:
            while not self.stopped:
                cr.execute("SELECT 1")
                cr.commit()


@contextmanager
def cursor_for(dbname):
    cr = sql_db.db_connect(dbname).cursor()  # expect: SW603
    yield cr
    cr.commit()
    cr.close()


def iterate(dbname, query):  # clean
    with sql_db.db_connect(dbname).cursor() as cr:
        cr.execute(query)
        rows = cr.fetchall()
    yield from rows


def iterate_open(dbname, query):
    conn = psycopg2.connect(dbname)  # expect: SW609
    cur = conn.cursor("big")
    cur.execute(query)
    for row in cur:
        yield row
    conn.close()


def make_reader(dsn):
    conn = psycopg2.connect(dsn)  # expect: SW607

    def read(query):
        with conn.cursor() as c:
            c.execute(query)
            return c.fetchall()

    return read


def make_reader_ok(dsn):  # clean
    def read(query):
        conn = psycopg2.connect(dsn)
        try:
            with conn.cursor() as c:
                c.execute(query)
                return c.fetchall()
        finally:
            conn.close()

    return read


def retrying(func):  # clean
    def wrapper(*args, **kwargs):
        conn = psycopg2.connect("dbname=hub")
        try:
            return func(*args, conn=conn, **kwargs)
        finally:
            conn.close()

    return wrapper


def open_two(a, b):
    return psycopg2.connect(a), psycopg2.connect(b)  # expect: SW603


def open_dict(a):
    return {"connection": psycopg2.connect(a), "name": a}


def close_quietly(conn):
    try:
        conn.close()
    except psycopg2.Error:
        pass


def open_pool(dsn):
    return ThreadedConnectionPool(1, 4, dsn)
