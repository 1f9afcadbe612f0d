from contextlib import asynccontextmanager, closing, contextmanager

import psycopg2
import pytest
from odoo import SUPERUSER_ID, api, models, tools
from odoo.modules.registry import Registry
from odoo.sql_db import db_connect


def rows_of(dsn):
    conn = psycopg2.connect(dsn)  # expect: SW609
    cur = conn.cursor()
    cur.execute("SELECT * FROM big")
    for row in cur:
        yield row
    conn.close()


def rows_of_cursor(dbname):
    cr = Registry(dbname).cursor()  # expect: SW609
    cr.execute("SELECT * FROM big")
    while True:
        chunk = cr.fetchmany(1000)
        if not chunk:
            break
        yield from chunk
    cr.close()


def abandoned(dbname):
    with Registry(dbname).cursor() as cr:  # expect: SW609
        cr.execute("SELECT id FROM big")
        for (record_id,) in cr:
            yield record_id


def first_of(dbname):
    return next(abandoned(dbname))


def half_read(dbname):
    with db_connect(dbname).cursor() as cr:  # expect: SW609
        cr.execute("SELECT id FROM big")
        yield from cr.fetchall()


def find_first_even(dbname):
    for value in half_read(dbname):
        if value % 2 == 0:
            return value
    return None


@contextmanager
def env_of(dbname):
    cr = db_connect(dbname).cursor()  # expect: SW601
    yield api.Environment(cr, SUPERUSER_ID, {})


@contextmanager
def cursor_of(dbname):
    cr = Registry(dbname).cursor()  # expect: SW603
    yield cr
    cr.close()


@contextmanager
def connection_of(dsn):
    with psycopg2.connect(dsn) as conn:  # expect: SW606
        yield conn


@contextmanager
def commit_on_success(dbname):
    cr = Registry(dbname).cursor()  # expect: SW603
    try:
        yield cr
    except Exception:
        cr.rollback()
        raise
    else:
        cr.commit()
        cr.close()


@asynccontextmanager
async def async_connection(dsn):
    import asyncpg

    conn = await asyncpg.connect(dsn)  # expect: SW603
    yield conn
    await conn.close()


@pytest.fixture
def leaky_connection():
    conn = psycopg2.connect("dbname=test")  # expect: SW602
    yield conn


# ---------------------------------------------------------------------------------------- done well


@contextmanager
def good_cursor_of(dbname):  # clean
    cr = Registry(dbname).cursor()
    try:
        yield cr
        cr.commit()
    finally:
        cr.close()


@contextmanager
def good_env_of(dbname):  # clean
    with Registry(dbname).cursor() as cr:
        yield api.Environment(cr, SUPERUSER_ID, {})


@contextmanager
def good_rollbacked_env(dbname):  # clean
    cr = Registry(dbname).cursor()
    try:
        yield api.Environment(cr, SUPERUSER_ID, {})
    finally:
        cr.rollback()
        cr.close()


@contextmanager
def good_new_context(self):  # clean
    with closing(self.env.registry.cursor()) as cr:
        try:
            yield api.Environment(cr, self.env.uid, self.env.context)
        except Exception:
            cr.rollback()
            raise
        else:
            if not tools.config["test_enable"]:
                cr.commit()


@pytest.fixture
def good_connection():  # clean
    conn = psycopg2.connect("dbname=test")
    yield conn
    conn.close()


@pytest.fixture
def good_finalizer(request):  # clean
    conn = psycopg2.connect("dbname=test")
    request.addfinalizer(conn.close)
    return conn


@pytest.fixture()
def good_with_fixture():  # clean
    with Registry("test").cursor() as cr:
        yield cr


def exhausted(dbname):  # clean
    with Registry(dbname).cursor() as cr:
        cr.execute("SELECT id FROM big")
        for (record_id,) in cr:
            yield record_id


def uses_all(dbname):  # clean
    return sorted(exhausted(dbname))


def uses_each(dbname):  # clean
    total = 0
    for value in exhausted(dbname):
        total += value
    return total


def chunks(records):  # clean
    for index in range(0, len(records), 100):
        yield records[index : index + 100]


def good_reads_first(dbname):  # clean
    with Registry(dbname).cursor() as cr:
        cr.execute("SELECT id FROM big")
        rows = cr.fetchall()
    for row in rows:
        yield row[0]


class Exporter(models.AbstractModel):
    _name = "exporter"
    _description = "Exporter"

    @contextmanager
    def good_remote(self):  # clean
        conn = psycopg2.connect(self._dsn())
        try:
            with conn:
                yield conn
        finally:
            conn.close()

    def export(self):  # clean
        with self.good_remote() as conn:
            conn.cursor().execute("SELECT 1")
