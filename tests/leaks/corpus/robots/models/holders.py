import atexit
import threading
import weakref

import psycopg2
import psycopg2.pool
from psycopg2 import connect as pg_connect
from psycopg2.extras import LogicalReplicationConnection

from odoo import models, tools

_LOCAL = threading.local()
_CONNECTIONS = {}
LISTENER = None


class Feed:
    conn = None

    @classmethod
    def open(cls, dsn):
        if cls.conn is None:
            cls.conn = psycopg2.connect(dsn)  # expect: SW607
        return cls.conn


class ClosingFeed:  # clean
    def __init__(self, dsn):
        self._conn = psycopg2.connect(dsn)
        self._finalizer = weakref.finalize(self, self._conn.close)

    def read(self):
        with self._conn.cursor() as cur:
            cur.execute("SELECT 1")
            return cur.fetchone()


class Client:
    def __init__(self, dsn):
        self.dsn = dsn
        self.connection = None

    def connect(self):
        self.connection = pg_connect(self.dsn)  # expect: SW608

    def query(self, sql):
        with self.connection.cursor() as cur:
            cur.execute(sql)
            return cur.fetchall()


class ContextClient:
    def __init__(self, dsn):
        self.dsn = dsn

    def __enter__(self):  # clean
        self.connection = pg_connect(self.dsn)
        return self

    def __exit__(self, *exc):
        self.connection.close()


class Forgetful:
    def __enter__(self):
        self.connection = pg_connect("dbname=wms")  # expect: SW608
        return self.connection

    def __exit__(self, *exc):
        self.connection.commit()


def per_thread(dsn):
    if not hasattr(_LOCAL, "conn"):
        _LOCAL.conn = psycopg2.connect(dsn)  # expect: SW607
    return _LOCAL.conn


def cached(dsn):
    try:
        return _CONNECTIONS[dsn]
    except KeyError:
        conn = _CONNECTIONS[dsn] = psycopg2.connect(dsn)  # expect: SW607
        return conn


def start_listener(dsn):
    global LISTENER
    LISTENER = psycopg2.connect(dsn)  # expect: SW607
    LISTENER.autocommit = True
    channel = "robots"
    LISTENER.cursor().execute(f"LISTEN {channel}")  # expect: SW701


def stop_listener():
    pass


@tools.ormcache("dsn")
def ormcached(self, dsn):
    return psycopg2.connect(dsn)  # expect: SW607


def replicate(dsn):
    conn = psycopg2.connect(dsn, connection_factory=LogicalReplicationConnection)  # expect: SW602
    cur = conn.cursor()
    cur.start_replication(slot_name="robots", decode=True)
    cur.consume_stream(print)


def with_block(dsn):
    with psycopg2.connect(dsn) as conn, conn.cursor() as cur:  # expect: SW606
        cur.execute("SELECT 1")


def with_block_ok(dsn):  # clean
    conn = psycopg2.connect(dsn)
    try:
        with conn, conn.cursor() as cur:
            cur.execute("SELECT 1")
    finally:
        conn.close()


def pool_put_back(dsn):  # clean
    pool = psycopg2.pool.SimpleConnectionPool(1, 2, dsn)
    try:
        conn = pool.getconn()
        try:
            conn.cursor().execute("SELECT 1")
        finally:
            pool.putconn(conn)
    finally:
        pool.closeall()


def pool_forgotten(dsn):
    pool = psycopg2.pool.ThreadedConnectionPool(1, 5, dsn)  # expect: SW613
    conn = pool.getconn()  # expect: SW603
    conn.cursor().execute("SELECT 1")
    pool.putconn(conn)


def at_exit(dsn):  # clean
    conn = psycopg2.connect(dsn)
    atexit.register(conn.close)
    return conn


def reconnect(dsn):
    conn = psycopg2.connect(dsn)  # expect: SW605
    if conn.closed or conn.server_version < 130000:
        conn = psycopg2.connect(dsn, target_session_attrs="read-write")
    try:
        conn.cursor().execute("SELECT 1")
    finally:
        conn.close()


def splat(params):
    connection = psycopg2.connect(**params)  # expect: SW604
    cursor = connection.cursor()
    try:
        cursor.execute("SELECT 1")
    except psycopg2.Error:
        return None
    else:
        connection.close()
    return cursor


def dict_of(dsn):
    ctx = {"conn": psycopg2.connect(dsn), "n": 0}  # expect: SW602
    ctx["conn"].cursor().execute("SELECT 1")
    return ctx["n"]


def dict_of_ok(dsn):  # clean
    ctx = {"conn": psycopg2.connect(dsn), "n": 0}
    try:
        ctx["conn"].cursor().execute("SELECT 1")
    finally:
        ctx["conn"].close()


def threads(dsn, jobs):
    conn = psycopg2.connect(dsn)
    for job in jobs:  # whatever job is, it may close the connection
        threading.Thread(target=job, args=(conn,)).start()
