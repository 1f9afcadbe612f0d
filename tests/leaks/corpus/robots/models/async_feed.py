import asyncio
import contextlib
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool


async def last_position(dsn, robot):
    conn = await asyncpg.connect(dsn)  # expect: SW602
    return await conn.fetchval("SELECT pos FROM robot_log WHERE robot = $1 ORDER BY id DESC LIMIT 1", robot)


async def last_position_ok(dsn, robot):  # clean
    conn = await asyncpg.connect(dsn)
    try:
        return await conn.fetchval("SELECT pos FROM robot_log WHERE robot = $1 ORDER BY id DESC LIMIT 1", robot)
    finally:
        await conn.close()


async def push(dsn, rows):
    conn = await asyncpg.connect(dsn)  # expect: SW603
    await conn.executemany("INSERT INTO robot_log (robot, pos) VALUES ($1, $2)", rows)
    await conn.close()


async def push_with_async_psycopg(dsn, rows):  # clean
    async with await psycopg.AsyncConnection.connect(dsn) as aconn:
        async with aconn.cursor() as cur:
            await cur.executemany("INSERT INTO robot_log (robot, pos) VALUES (%s, %s)", rows)


async def push_forgotten(dsn, rows):
    aconn = await psycopg.AsyncConnection.connect(dsn)  # expect: SW602
    async with aconn.cursor() as cur:
        await cur.executemany("INSERT INTO robot_log (robot, pos) VALUES (%s, %s)", rows)
    await aconn.commit()


async def pooled(dsn, rows):  # clean
    async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
        async with pool.acquire() as conn:
            await conn.executemany("INSERT INTO robot_log (robot, pos) VALUES ($1, $2)", rows)


async def pooled_forgotten(dsn, rows):
    pool = await asyncpg.create_pool(dsn)  # expect: SW613
    async with pool.acquire() as conn:
        await conn.executemany("INSERT INTO robot_log (robot, pos) VALUES ($1, $2)", rows)


async def acquire_without_release(pool, robot):
    conn = await pool.acquire()  # expect: SW603
    value = await conn.fetchval("SELECT 1 FROM robot WHERE id = $1", robot)
    await pool.release(conn)
    return value


async def stack_of_two(src, dst):  # clean
    async with AsyncExitStack() as stack:
        a = await stack.enter_async_context(await psycopg.AsyncConnection.connect(src))
        b = await stack.enter_async_context(await psycopg.AsyncConnection.connect(dst))
        await (await b.cursor()).execute("INSERT INTO copy SELECT %s", [(await a.execute("SELECT 1")).rowcount])


@asynccontextmanager
async def robot_session(dsn):  # clean
    conn = await asyncpg.connect(dsn)
    try:
        yield conn
    finally:
        await conn.close()


@asynccontextmanager
async def careless_session(dsn):
    conn = await asyncpg.connect(dsn)  # expect: SW603
    yield conn
    await conn.close()


def sync_pool(dsn):  # clean
    with ConnectionPool(dsn, min_size=1) as pool:
        with pool.connection() as conn:
            return conn.execute("SELECT count(*) FROM robot_log").fetchone()


def sync_pool_forgotten(dsn):
    pool = ConnectionPool(dsn, min_size=2)  # expect: SW613
    with pool.connection() as conn:
        return conn.execute("SELECT count(*) FROM robot_log").fetchone()


async def async_pool_opened(dsn):
    pool = AsyncConnectionPool(dsn, open=False)  # expect: SW603
    await pool.open()
    async with pool.connection() as conn:
        await conn.execute("SELECT 1")
    await pool.close()


async def async_pool_closed(dsn):  # clean
    pool = AsyncConnectionPool(dsn, open=False)
    try:
        await pool.open()
        async with pool.connection() as conn:
            await conn.execute("SELECT 1")
    finally:
        await pool.close()


def getconn_no_putconn(pool):
    conn = pool.getconn()  # expect: SW602
    conn.execute("SELECT 1")


async def gather_all(dsns):  # clean
    conns = await asyncio.gather(*(asyncpg.connect(dsn) for dsn in dsns))
    try:
        return [await c.fetchval("SELECT 1") for c in conns]
    finally:
        for c in conns:
            await c.close()


async def wait_for_it(dsn):
    conn = await asyncio.wait_for(asyncpg.connect(dsn), timeout=5)  # expect: SW602
    return await conn.fetchval("SELECT 1")


async def wait_for_it_ok(dsn):  # clean
    conn = await asyncio.wait_for(asyncpg.connect(dsn), timeout=5)
    try:
        return await conn.fetchval("SELECT 1")
    finally:
        await asyncio.shield(conn.close())


async def aclosing_style(dsn):  # clean
    async with contextlib.AsyncExitStack() as stack:
        conn = await asyncpg.connect(dsn)
        stack.push_async_callback(conn.close)
        return await conn.fetchval("SELECT 1")
