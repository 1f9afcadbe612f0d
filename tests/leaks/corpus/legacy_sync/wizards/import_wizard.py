import contextlib
from contextlib import ExitStack, closing

import asyncpg
import psycopg
import psycopg2
import psycopg2.pool
import sqlalchemy as sa
from psycopg_pool import ConnectionPool
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import NullPool

from odoo import fields, models


class ImportWizard(models.TransientModel):
    _name = "import.wizard"
    _description = "Import"

    dsn = fields.Char()

    def run_psycopg3(self):
        conn = psycopg.connect(self.dsn)  # expect: SW602
        return conn.execute("SELECT 1").fetchone()

    def run_psycopg3_success(self):
        conn = psycopg.connect(self.dsn, autocommit=True)  # expect: SW603
        rows = conn.execute("SELECT * FROM import_line").fetchall()
        conn.close()
        return rows

    def run_psycopg3_class(self):
        conn = psycopg.Connection.connect(self.dsn)  # expect: SW602
        conn.execute("DELETE FROM import_line")
        conn.commit()

    async def run_async(self):
        conn = await asyncpg.connect(self.dsn)  # expect: SW602
        return await conn.fetch("SELECT * FROM import_line")

    async def run_async_success(self):
        conn = await asyncpg.connect(self.dsn)  # expect: SW603
        rows = await conn.fetch("SELECT * FROM import_line")
        await conn.close()
        return rows

    async def run_async_psycopg(self):
        aconn = await psycopg.AsyncConnection.connect(self.dsn)  # expect: SW602
        await aconn.execute("SELECT 1")

    async def run_async_pool(self):
        pool = await asyncpg.create_pool(self.dsn)  # expect: SW613
        async with pool.acquire() as conn:
            return await conn.fetchval("SELECT 1")

    async def run_acquire(self, pool: asyncpg.Pool):
        conn = await pool.acquire()  # expect: SW603
        rows = await conn.fetch("SELECT 1")
        await pool.release(conn)
        return rows

    def run_engine(self):
        engine = create_engine(self.dsn)  # expect: SW613
        with engine.connect() as conn:
            return conn.execute(text("SELECT 1")).scalar()

    def run_engine_alias(self):
        engine = sa.create_engine(self.dsn, pool_size=5)  # expect: SW613
        return sa.inspect(engine).get_table_names()

    def run_engine_connection(self, engine: sa.Engine):
        connection = engine.connect()  # expect: SW603
        rows = connection.execute(text("SELECT * FROM import_line")).all()
        connection.close()
        return rows

    def run_raw_connection(self, engine: sa.Engine):
        raw = engine.raw_connection()  # expect: SW602
        raw.cursor().execute("TRUNCATE import_line")
        raw.commit()

    def run_session(self, engine):
        Session = sessionmaker(bind=engine)
        session = Session()  # expect: SW602
        return session.execute(text("SELECT 1")).scalar()

    def run_pool(self):
        pool = psycopg2.pool.ThreadedConnectionPool(1, 8, self.dsn)  # expect: SW613
        conn = pool.getconn()
        try:
            return self._lines(conn)
        finally:
            pool.putconn(conn)

    def run_getconn(self, pool):
        conn = pool.getconn()  # expect: SW602
        return self._lines(conn)

    def run_getconn_success(self, pool):
        conn = pool.getconn()  # expect: SW603
        lines = self._lines(conn)
        pool.putconn(conn)
        return lines

    def run_pool3(self):
        pool = ConnectionPool(self.dsn, min_size=2)  # expect: SW613
        with pool.connection() as conn:
            return conn.execute("SELECT 1").fetchone()

    def run_stack(self):
        with ExitStack() as stack:
            conn = stack.enter_context(psycopg2.connect(self.dsn))  # expect: SW606
            return self._lines(conn)

    def run_closing_the_cursor_only(self):
        conn = psycopg2.connect(self.dsn)  # expect: SW602
        with closing(conn.cursor()) as cur:
            cur.execute("SELECT 1")
            return cur.fetchone()

    def run_suppress(self):
        conn = psycopg2.connect(self.dsn)  # expect: SW604
        with contextlib.suppress(psycopg2.Error):
            self._lines(conn)
            conn.close()
        return True

    # ------------------------------------------------------------------------------------- done well

    def good_closing(self):  # clean
        with closing(psycopg2.connect(self.dsn)) as conn:
            return self._lines(conn)

    def good_closing_qualified(self):  # clean
        with contextlib.closing(psycopg2.connect(self.dsn)) as conn, conn, conn.cursor() as cur:
            cur.execute("DELETE FROM import_line")

    def good_closing_later(self):  # clean
        conn = psycopg2.connect(self.dsn)
        with closing(conn):
            return self._lines(conn)

    def good_psycopg3_with(self):  # clean
        with psycopg.connect(self.dsn) as conn:
            return conn.execute("SELECT 1").fetchone()

    def good_psycopg3_with_later(self):  # clean
        conn = psycopg.connect(self.dsn)
        with conn:
            return conn.execute("SELECT 1").fetchone()

    async def good_async(self):  # clean
        conn = await asyncpg.connect(self.dsn)
        try:
            return await conn.fetch("SELECT 1")
        finally:
            await conn.close()

    async def good_async_psycopg(self):  # clean
        async with await psycopg.AsyncConnection.connect(self.dsn) as aconn:
            async with aconn.cursor() as cur:
                await cur.execute("SELECT 1")

    async def good_async_pool(self):  # clean
        async with asyncpg.create_pool(self.dsn) as pool:
            async with pool.acquire() as conn:
                return await conn.fetchval("SELECT 1")

    async def good_acquire(self, pool: asyncpg.Pool):  # clean
        conn = await pool.acquire()
        try:
            return await conn.fetch("SELECT 1")
        finally:
            await pool.release(conn)

    def good_engine(self):  # clean
        engine = create_engine(self.dsn)
        try:
            with engine.connect() as conn:
                return conn.execute(text("SELECT 1")).scalar()
        finally:
            engine.dispose()

    def good_engine_nullpool(self):  # clean
        engine = create_engine(self.dsn, poolclass=NullPool)
        with engine.begin() as conn:
            conn.execute(text("DELETE FROM import_line"))

    def good_engine_other_database(self):  # clean
        engine = create_engine("mysql+pymysql://reader@erp/legacy")
        with engine.connect() as conn:
            return conn.execute(text("SELECT 1")).scalar()

    def good_sqlite(self, path):  # clean
        import sqlite3

        db = sqlite3.connect(path)
        return db.execute("SELECT 1").fetchone()

    def good_session(self, engine):  # clean
        Session = sessionmaker(bind=engine)
        with Session() as session:
            return session.execute(text("SELECT 1")).scalar()

    def good_session_finally(self, engine):  # clean
        session = sessionmaker(engine)()
        try:
            session.execute(text("DELETE FROM import_line"))
            session.commit()
        finally:
            session.close()

    def good_pool(self):  # clean
        pool = psycopg2.pool.SimpleConnectionPool(1, 4, self.dsn)
        try:
            conn = pool.getconn()
            try:
                return self._lines(conn)
            finally:
                pool.putconn(conn)
        finally:
            pool.closeall()

    def good_pool3(self):  # clean
        with ConnectionPool(self.dsn) as pool, pool.connection() as conn:
            return conn.execute("SELECT 1").fetchone()

    def good_stack(self):  # clean
        with ExitStack() as stack:
            conn = stack.enter_context(closing(psycopg2.connect(self.dsn)))
            return self._lines(conn)

    def good_stack_callback(self):  # clean
        with ExitStack() as stack:
            conn = psycopg2.connect(self.dsn)
            stack.callback(conn.close)
            return self._lines(conn)

    def good_suppress(self):  # clean
        conn = psycopg2.connect(self.dsn)
        try:
            with contextlib.suppress(psycopg2.Error):
                self._lines(conn)
        finally:
            conn.close()
        return True

    def good_del_guard(self):  # clean
        conn = psycopg2.connect(self.dsn)
        try:
            lines = self._lines(conn)
        finally:
            try:
                conn.close()
            except psycopg2.InterfaceError:
                pass
        return lines

    def good_parenthesised_with(self):  # clean
        with (
            closing(psycopg2.connect(self.dsn)) as conn,
            conn.cursor() as cur,
        ):
            cur.execute("SELECT 1")
            return cur.fetchone()
