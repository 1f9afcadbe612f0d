import functools
from contextlib import contextmanager

import psycopg2
from odoo import tools
from odoo.modules.registry import Registry
from odoo.sql_db import Connection, ConnectionPool, _Pool

reader_connect = functools.partial(psycopg2.connect, options="-c default_transaction_read_only=on")


def open_external():
    return psycopg2.connect(tools.config["external_dsn"])


def open_external_retrying():
    for attempt in range(3):
        try:
            return open_external()
        except psycopg2.OperationalError:
            if attempt == 2:
                raise


def get_external_cursor():
    info = {"database": tools.config["external_db_name"]}
    return Connection(_Pool or ConnectionPool(8), "external", info).cursor()


def open_pair(dsn):
    conn = psycopg2.connect(dsn)
    cur = conn.cursor()
    return conn, cur


def open_in_dict(dsn):
    return {"connection": psycopg2.connect(dsn), "dsn": dsn}


def new_env(dbname, uid):
    from odoo import api

    cr = Registry(dbname).cursor()
    return api.Environment(cr, uid, {})


def half_open(dsn):
    conn = psycopg2.connect(dsn)  # expect: SW603
    conn.cursor().execute("SET LOCAL statement_timeout = 1000")
    return conn


def never_called_here(dsn):  # clean
    return psycopg2.connect(dsn)


def careful_open(dsn):  # clean
    conn = psycopg2.connect(dsn)
    try:
        conn.cursor().execute("SELECT 1")
    except BaseException:
        conn.close()
        raise
    return conn


@contextmanager
def external():  # clean
    conn = open_external()
    try:
        yield conn
    finally:
        conn.close()


def close_quietly(conn):  # clean
    try:
        conn.close()
    except Exception:
        pass


def log_only(conn):  # clean
    print(conn.dsn)


class Session:
    def __init__(self, conn):  # clean
        self.conn = conn

    def __enter__(self):  # clean
        return self

    def __exit__(self, *exc_info):  # clean
        self.conn.close()


class Holder:
    def __init__(self, conn):  # clean
        self.conn = conn
