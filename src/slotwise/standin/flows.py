"""What Odoo does with cursors, as generators: each runs to a ``yield`` and stays there while the work goes on.

What is open at a ``yield`` is held; closing the generator gives it back. docs/model-connections-per-worker.md has the
sources, version by version.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

import msgspec

from slotwise.standin import statements
from slotwise.standin.runtime import Cursor, Registry, Runtime
from slotwise.standin.statements import ON_NOTHING, ON_TABLES, Statements

Flow = Generator[None, None, None]


class RequestOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a request does besides reading."""

    writes: bool = False
    read_only_route: bool = False
    """The route says ``readonly=True``: the replica may serve it (18 and newer)."""
    clears_cache: bool = False
    """It changes something cached, so that ``signal_changes`` follows its commit."""
    notifies_bus: bool = False
    triggers_cron: bool = False
    running: str | None = None
    """A statement that is still running on the server while the request is held, e.g. ``SELECT pg_sleep(60)``."""


def statements_for(runtime: Runtime) -> Statements:
    """The texts for this host."""
    return ON_TABLES if runtime.settings.uses_tables else ON_NOTHING


def list_databases(runtime: Runtime) -> list[str]:
    """``db_list``: the names in ``db_name``, or else what the server has, by a short session on ``postgres``."""
    if runtime.settings.db_name:
        return list(runtime.settings.db_name)
    with closing(runtime.cursor("postgres")) as cursor:
        return [name for (name,) in cursor.execute(statements.LIST_DATABASES) if name is not None]


def page(runtime: Runtime, database: str, options: RequestOptions) -> Flow:
    """A request of a browser that is logged in: its cookie names the database."""
    yield from _served(runtime, database, options)


def login(runtime: Runtime, database: str, options: RequestOptions) -> Flow:
    """The request that logs a fresh browser in. It has its database only if exactly one is on offer."""
    texts = statements_for(runtime)
    if list_databases(runtime) == [database]:
        yield from _served(runtime, database, options, logs_in=True)
        return
    registry = runtime.registry(database)
    with registry.cursor() as cursor:
        cursor.execute(texts.log_in)
        yield
    with registry.cursor() as cursor:
        cursor.execute(texts.read)


def rpc(runtime: Runtime, database: str, options: RequestOptions) -> Flow:
    """A call to ``/jsonrpc`` or ``/xmlrpc``: ``execute`` has its own cursor, besides the request's if there is one."""
    if list_databases(runtime) == [database]:
        yield from _served(runtime, database, options, calls_execute=True)
        return
    registry = runtime.registry(database)
    with closing(registry.cursor()) as cursor:
        cursor.execute(statements_for(runtime).signaling)
    with registry.cursor() as cursor:
        yield from _work(runtime, registry, cursor, options)


REQUESTS = {"page": page, "login": login, "rpc": rpc}


def _served(
    runtime: Runtime,
    database: str,
    options: RequestOptions,
    *,
    logs_in: bool = False,
    calls_execute: bool = False,
) -> Flow:
    """``Request._serve_db``."""
    texts = statements_for(runtime)
    registry = runtime.registry(database)
    if runtime.version < 19:
        # 18 keeps this one on the primary: sequences are not replicated.
        with closing(registry.cursor()) as cursor:
            cursor.execute(texts.signaling)
    cursor = registry.cursor(read_only=runtime.version >= 19 or options.read_only_route)
    try:
        if runtime.version >= 19:
            cursor.execute(texts.signaling)
            if cursor.read_only and not options.read_only_route:
                cursor.close()
                cursor = registry.cursor()
            else:
                cursor.rollback()
        if logs_in and runtime.version < 19:
            with registry.cursor() as nested:
                nested.execute(texts.log_in)
        elif logs_in:
            cursor.execute(texts.log_in)
        if calls_execute:
            with registry.cursor() as nested:
                yield from _work(runtime, registry, nested, options)
        else:
            yield from _work(runtime, registry, cursor, options)
    finally:
        cursor.close()


def _work(runtime: Runtime, registry: Registry, cursor: Cursor, options: RequestOptions) -> Flow:
    """The controller, and ``service.model.retrying`` around it: commit, post-commit hooks, ``signal_changes``."""
    texts = statements_for(runtime)
    cursor.execute(texts.read)
    if options.writes:
        cursor.execute(texts.write)
    if options.running is None:
        yield
    else:
        cursor.connection.send(options.running)
        try:
            yield
        finally:
            cursor.connection.finish()
            cursor.rollback()
    cursor.commit()
    if options.notifies_bus:
        with runtime.cursor("postgres") as short:
            short.execute(statements.NOTIFY_BUS)
    if options.triggers_cron:
        with runtime.cursor("postgres") as short:
            short.execute(statements.NOTIFY_CRON.format(database=registry.database))
    if options.clears_cache:
        with registry.cursor() as nested:
            nested.execute(texts.sign_change)


def poll_jobs(runtime: Runtime) -> None:
    """A cron worker's round when no job is due: one cursor for each database, by this process's own name.

    Several databases: prefork closes each afterwards (``close_db``, 18.0:1228-1230), threaded mode does not. 17 and 18
    list the databases again before each one, 19 once.
    """
    databases = list_databases(runtime)
    for position, database in enumerate(databases):
        if position and runtime.version < 19:
            list_databases(runtime)
        with runtime.cursor(database) as cursor:
            cursor.execute(statements_for(runtime).ready_jobs)
        if len(databases) > 1 and not runtime.settings.threaded:
            runtime.close_database(database)


def scheduled_action(runtime: Runtime, database: str, running: str | None) -> Flow:
    """One job: the cursor that locks it, the job's own, and ``check_signaling``'s (``ir_cron._process_jobs``).

    The first is idle in transaction until the job ends, by design. ``running`` is a statement that keeps the job busy.
    Ends at once when every job is locked by other workers.
    """
    texts = statements_for(runtime)
    with runtime.cursor(database) as lock:
        lock.execute(texts.ready_jobs)
        locked = lock.execute(texts.lock_job)
        if not locked:
            return
        registry = runtime.registry(database)
        with registry.cursor() as job:
            if runtime.version >= 18:
                job.execute(texts.start_job)
                job.commit()
            else:
                job.execute(texts.read)
            with closing(registry.cursor(read_only=runtime.version >= 19)) as check:
                check.execute(texts.signaling)
            if running is None:
                job.execute(texts.read)
                yield
            else:
                job.connection.send(running)
                try:
                    yield
                finally:
                    job.connection.finish()
                    job.rollback()
        lock.execute(texts.end_job.format(job_id=locked[0][0]))
    if len(list_databases(runtime)) > 1 and not runtime.settings.threaded:
        runtime.close_database(database)


def websocket_cursor(runtime: Runtime, database: str) -> Flow:
    """One cursor of the process that serves websockets: for a subscription or for handing out a notification."""
    with runtime.registry(database).cursor() as cursor:
        cursor.execute(statements_for(runtime).read)
        yield
