# Wizards, fixtures and tools around an old database. Written before any of it was scanned.
import asyncio
import functools
from contextlib import closing, suppress

import asyncpg
import psycopg2
import pytest

from odoo import api, fields, models
from odoo.tests.common import TransactionCase

_shared = None


def legacy(dsn):  # clean
    return psycopg2.connect(dsn)


def shared(dsn):
    global _shared
    if _shared is None:
        _shared = psycopg2.connect(dsn)  # expect: SW607
    return _shared


@functools.lru_cache(maxsize=None)
def cached(dsn):
    return psycopg2.connect(dsn)  # expect: SW607


def with_legacy(function):  # clean
    @functools.wraps(function)
    def wrapper(self, *args):
        conn = psycopg2.connect(self.dsn)
        try:
            return function(self, conn, *args)
        finally:
            conn.close()

    return wrapper


def with_legacy_leaking(function):
    @functools.wraps(function)
    def wrapper(self, *args):
        conn = psycopg2.connect(self.dsn)  # expect: SW603
        result = function(self, conn, *args)
        conn.close()
        return result

    return wrapper


async def names(dsn):
    conn = await asyncpg.connect(dsn)  # expect: SW603
    rows = await conn.fetch("SELECT name FROM partner")
    await conn.close()
    return rows


async def names_tidy(dsn):  # clean
    conn = await asyncpg.connect(dsn)
    try:
        return await conn.fetch("SELECT name FROM partner")
    finally:
        await conn.close()


async def pool_names(dsn):  # clean
    async with asyncpg.create_pool(dsn) as pool, pool.acquire() as conn:
        return await conn.fetch("SELECT name FROM partner")


@pytest.fixture
def conn():  # clean
    connection = psycopg2.connect("dbname=legacy_test")
    yield connection
    connection.close()


class TestLegacy(TransactionCase):
    def setUp(self):  # clean
        super().setUp()
        self.conn = psycopg2.connect("dbname=legacy_test")
        self.addCleanup(self.conn.close)

    @classmethod
    def setUpClass(cls):  # clean
        super().setUpClass()
        cls.shared = psycopg2.connect("dbname=legacy_test")

    @classmethod
    def tearDownClass(cls):  # clean
        cls.shared.close()
        super().tearDownClass()

    def test_forgotten(self):
        other = psycopg2.connect("dbname=legacy_test")  # expect: SW602
        self.assertTrue(other.status)


class ImportLegacy(models.TransientModel):
    _name = "import.legacy"
    _description = "Import"

    dsn = fields.Char()

    @with_legacy
    def decorated(self, conn):  # clean
        conn.cursor().execute("SELECT 1")

    def straight(self):
        legacy(self.dsn).cursor().execute("DELETE FROM queue")  # expect: SW610

    def straight_tidy(self):  # clean
        with closing(legacy(self.dsn)) as conn:
            conn.cursor().execute("DELETE FROM queue")
            conn.commit()

    def in_comprehension(self, names):
        conns = [legacy(name) for name in names]  # expect: SW610
        return len(conns)

    def two(self):
        source, target = legacy(self.dsn), legacy("dbname=new")  # expect: SW603, SW610
        target.cursor().execute("SELECT 1")
        source.close()

    def two_tidy(self):  # clean
        with closing(legacy(self.dsn)) as source, closing(legacy("dbname=new")) as target:
            target.cursor().execute("SELECT 1")
            source.cursor().execute("SELECT 1")

    def walrus(self):
        if (conn := legacy(self.dsn)).closed:  # expect: SW610
            return False
        conn.cursor().execute("SELECT 1")
        return True

    def walrus_tidy(self):  # clean
        try:
            if (conn := legacy(self.dsn)).closed:
                return False
        finally:
            conn.close()
        return True

    def matching(self, kind):
        conn = psycopg2.connect(self.dsn)  # expect: SW604
        match kind:
            case "partner":
                conn.close()
                return 1
            case "product":
                return 2
        conn.close()
        return 0

    def matching_tidy(self, kind):  # clean
        with closing(psycopg2.connect(self.dsn)):
            match kind:
                case "partner":
                    return 1
                case "product":
                    return 2
        return 0

    def suppressed(self):  # clean
        conn = psycopg2.connect(self.dsn)
        try:
            with suppress(psycopg2.Error):
                conn.cursor().execute("SELECT 1")
        finally:
            conn.close()

    def closed_too_late(self):
        conn = psycopg2.connect(self.dsn)  # expect: SW602
        return conn.get_dsn_parameters()
        conn.close()

    def in_while(self):
        while True:
            conn = psycopg2.connect(self.dsn)  # expect: SW604
            cur = conn.cursor()
            cur.execute("SELECT job FROM queue LIMIT 1")
            row = cur.fetchone()
            if not row:
                break
            conn.close()

    def in_while_tidy(self):  # clean
        while True:
            with closing(psycopg2.connect(self.dsn)) as conn:
                cur = conn.cursor()
                cur.execute("SELECT job FROM queue LIMIT 1")
                if not cur.fetchone():
                    break

    def by_lambda(self):
        opener = lambda: psycopg2.connect(self.dsn)  # noqa: E731
        opener().cursor().execute("SELECT 1")  # expect: SW610

    def by_partial(self):
        opener = functools.partial(psycopg2.connect, self.dsn, connect_timeout=3)
        conn = opener()  # expect: SW602
        conn.cursor().execute("SELECT 1")

    def by_alias(self):
        open_it = psycopg2.connect
        conn = open_it(self.dsn)  # expect: SW602
        conn.cursor().execute("SELECT 1")

    def by_alias_tidy(self):  # clean
        open_it = psycopg2.connect
        conn = open_it(self.dsn)
        try:
            conn.cursor().execute("SELECT 1")
        finally:
            conn.close()

    def run_async(self):  # clean
        return asyncio.run(names_tidy(self.dsn))

    def returned(self):  # clean
        return legacy(self.dsn)

    def used(self):
        return self.returned().server_version  # expect: SW610

    @api.model
    def default_get(self, fields_list):  # clean
        values = super().default_get(fields_list)
        conn = psycopg2.connect("dbname=legacy", connect_timeout=2)
        with closing(conn):
            values["dsn"] = conn.dsn
        return values

    def helper_closes(self):  # clean
        conn = psycopg2.connect(self.dsn)
        try:
            conn.cursor().execute("SELECT 1")
        finally:
            self._finish(conn)

    def _finish(self, conn):  # clean
        conn.rollback()
        conn.close()
