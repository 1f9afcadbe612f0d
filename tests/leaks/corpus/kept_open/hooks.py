import threading

import psycopg2
from psycopg2 import pool as pg_pool
from sqlalchemy import create_engine

from odoo.modules.registry import Registry
from odoo.sql_db import db_connect
from odoo.tools import config

_audit_conn = psycopg2.connect(config["audit_dsn"])  # expect: SW612
_CURSOR = db_connect(config["db_name"]).cursor()  # expect: SW612
_POOL = pg_pool.ThreadedConnectionPool(2, 10, config["audit_dsn"])  # expect: SW612
_ENGINE = create_engine(config["audit_url"])
_CACHED = None
_BY_DATABASE = {}
_LISTENERS = []
_CLOSED_AT_STOP = None
_lock = threading.Lock()
_local = threading.local()


def _defaults(cr=Registry("audit").cursor()):  # expect: SW612
    return cr


def get_cached():
    global _CACHED
    if _CACHED is None:
        _CACHED = psycopg2.connect(config["audit_dsn"])  # expect: SW607
    return _CACHED


def get_by_database(dbname):
    with _lock:
        if dbname not in _BY_DATABASE:
            _BY_DATABASE[dbname] = db_connect(dbname).cursor()  # expect: SW607
        return _BY_DATABASE[dbname]


def subscribe(dbname):
    conn = psycopg2.connect(config["audit_dsn"])  # expect: SW607
    _LISTENERS.append(conn)


def remember_per_thread():
    _local.cr = db_connect("audit").cursor()  # expect: SW607


def post_load():
    global _HOOK_CONN
    _HOOK_CONN = psycopg2.connect(config["audit_dsn"])  # expect: SW612


def open_for_process():  # clean
    global _CLOSED_AT_STOP
    _CLOSED_AT_STOP = psycopg2.connect(config["audit_dsn"])


def close_for_process():  # clean
    global _CLOSED_AT_STOP
    if _CLOSED_AT_STOP is not None:
        _CLOSED_AT_STOP.close()
        _CLOSED_AT_STOP = None


def write_audit(message):  # clean
    with _ENGINE.begin() as connection:
        connection.exec_driver_sql("INSERT INTO audit VALUES (%s)", (message,))


def uninstall_hook(env):  # clean
    env.cr.execute("DELETE FROM ir_config_parameter WHERE key = 'audit'")


def pre_init_hook(env):  # clean
    env.cr.execute("ALTER TABLE res_partner ADD COLUMN audit varchar")


if __name__ == "__main__":
    tool_conn = psycopg2.connect("dbname=audit")  # expect: SW602
    print(tool_conn.server_version)
