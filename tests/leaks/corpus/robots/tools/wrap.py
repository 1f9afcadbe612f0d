import functools
from contextlib import contextmanager

import psycopg2
from odoo.modules.registry import Registry


def wms_connection(env):
    params = env["ir.config_parameter"].sudo()
    return psycopg2.connect(params.get_param("wms.dsn"))


def wms_cursor(env):
    conn = wms_connection(env)
    return conn, conn.cursor()


@contextmanager
def wms(env):  # clean
    conn = wms_connection(env)
    try:
        with conn:
            yield conn
    finally:
        conn.close()


def with_connection(method):  # clean
    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):
        conn = wms_connection(self.env)
        try:
            return method(self, conn, *args, **kwargs)
        finally:
            conn.close()

    return wrapper


def with_connection_leaky(method):
    @functools.wraps(method)
    def wrapper(self, *args, **kwargs):
        conn = wms_connection(self.env)  # expect: SW610
        return method(self, conn, *args, **kwargs)

    return wrapper


class Wms:
    """Opens; the caller has to close."""

    def __init__(self, env):
        self.conn = wms_connection(env)

    def close(self):
        self.conn.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def new_env_cursor(dbname):
    return Registry(dbname).cursor()
