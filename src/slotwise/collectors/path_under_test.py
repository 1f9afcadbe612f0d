"""The path that is probed: opens its connections, and keeps what verify takes of it small and short.

In production every probe shares the path with users. So few connections are open at once, never the last free slots,
no more than a bounded number in all, none faster than one in a few milliseconds, and each is closed when its probe
ends.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from msgspec import Struct

from slotwise.collectors.path_client import PathClient, StatementRefused
from slotwise.collectors.pg_failures import Failure

MAINTENANCE_DATABASE = "postgres"
"""Where cron workers and the bus LISTEN (odoo/service/server.py, addons/bus/models/bus.py, 17.0 to 19.0)."""

_SPACING_SECONDS = 0.02
"""Between two connection attempts: at most 50 in a second."""


class NoRoom(Exception):
    """Verify would have to take more connections than it may."""


class OutOfTime(Exception):
    """The time for the whole of verify is over."""


class Allowance:
    """How much verify may take: ``at_once`` connections, ``in_all``, until ``ends_at`` (time.monotonic), and
    ``wait_seconds`` for one answer. Shared by every way that one run probes."""

    def __init__(self, at_once: int, in_all: int, seconds: float, wait_seconds: float) -> None:
        self.at_once = at_once
        self.in_all = in_all
        self.wait_seconds = wait_seconds
        self.open = 0
        self.most_open = 0
        self.opened = 0
        self._ends_at = time.monotonic() + seconds
        self._last = 0.0

    def left(self) -> float:
        """Seconds left for everything. Raises OutOfTime when there are none."""
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return left

    def take(self) -> float:
        """Count one more connection; how long it may take. Raises NoRoom or OutOfTime."""
        if self.open >= self.at_once:
            raise NoRoom(f"verify keeps to {self.at_once} connections at once")
        if self.opened >= self.in_all:
            raise NoRoom(f"verify keeps to {self.in_all} connections in all")
        pause = self._last + _SPACING_SECONDS - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        self._last = time.monotonic()
        seconds = min(self.wait_seconds, self.left())
        self.opened += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        return seconds

    def give_back(self) -> None:
        """Count a connection as closed."""
        self.open -= 1


class PoolFacts(Struct, frozen=True):
    """What the PgBouncer on the path says of the application database's pool. None: its console was not readable."""

    pool_mode: str | None = None
    pool_size: int | None = None
    reserve_pool: int | None = None
    query_wait_timeout_seconds: float | None = None


class Load(Struct, frozen=True):
    """The Odoo that uses the path, as configured: ``workers`` and ``max_cron_threads`` of all hosts, None: not told.

    ``exhaust``: the operator allows the pool to be filled for a moment.
    """

    workers: int | None = None
    max_cron_threads: int | None = None
    exhaust: bool = False

    @property
    def deadlock_floor(self) -> int | None:
        """Server connections below which nested cursors can all wait for each other: each HTTP worker holds one cursor
        while it waits for the second, each scheduled action two (cron_cr, job_cr) while it waits for the third; one
        more breaks the circle. None where the numbers are not known."""
        if self.workers is None or self.max_cron_threads is None:
            return None
        return 1 + self.workers + 2 * self.max_cron_threads


class Path:
    """One way to the server: a PgBouncer, or none. ``parameters`` are libpq's, ``dbname`` among them."""

    def __init__(
        self,
        parameters: Mapping[str, str],
        allowance: Allowance,
        *,
        load: Load | None = None,
        pool: PoolFacts | None = None,
        runner: Path | None = None,
    ) -> None:
        self._parameters = dict(parameters)
        self.allowance = allowance
        self.load = load or Load()
        self.pool = pool or PoolFacts()
        self.through_pooler: bool | None = None
        self._runner = runner

    @property
    def runner(self) -> Path:
        """The way that queue_job's runner takes: its own where it has one (``jobrunner_db_host``), else this one."""
        return self._runner or self

    @property
    def database(self) -> str:
        """The application database."""
        return self._parameters["dbname"]

    @contextmanager
    def client(self, **parameters: str) -> Iterator[PathClient]:
        """A connection to the application database. Raises PathRefused, NoAnswer, NoRoom or OutOfTime."""
        seconds = self.allowance.take()
        try:
            client = PathClient({**self._parameters, **parameters}, seconds)
            try:
                yield client
            finally:
                client.close()
        finally:
            self.allowance.give_back()

    @contextmanager
    def maintenance_client(self) -> Iterator[PathClient]:
        """A connection to database ``postgres``."""
        with self.client(dbname=MAINTENANCE_DATABASE) as client:
            yield client


class Glance(Struct, frozen=True):
    """The first look through a path. ``free`` counts connections that can still be had there, the smallest of the
    server's, the role's and the database's limit (None: not visible). ``queue_job`` as in Demands."""

    address: str
    user: str
    server_version: int
    through_pooler: bool
    free: int | None
    queue_job: bool | None


_ROOM = """
SELECT pg_backend_pid() AS pid, least(
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true), '0')::int
    - (SELECT sum(numbackends) FROM pg_stat_database),
  (SELECT rolconnlimit - (SELECT count(*) FROM pg_stat_activity WHERE usename = rolname)
     FROM pg_roles WHERE rolname = current_user AND rolconnlimit >= 0 AND NOT rolsuper),
  (SELECT datconnlimit - numbackends FROM pg_database JOIN pg_stat_database USING (datname)
    WHERE datname = current_database() AND datconnlimit >= 0)
) AS free
"""


def glance(path: Path) -> Glance:
    """Look through ``path`` once. Raises PathRefused, NoAnswer, OutOfTime."""
    with path.client() as client:
        row = client.run(_ROOM).by_name()[0]
        path.through_pooler = row["pid"] != str(client.announced_pid)
        return Glance(
            address=client.address,
            user=client.user,
            server_version=client.server_version,
            through_pooler=path.through_pooler,
            free=None if row["free"] is None else int(row["free"]),
            queue_job=_queue_job(client),
        )


def _queue_job(client: PathClient) -> bool | None:
    """Whether OCA's queue_job is installed here, from Odoo's list of modules. None where this is no Odoo database, or
    the role may not read it."""
    try:
        there = client.run("SELECT to_regclass('ir_module_module') IS NOT NULL AS there").value
        if there != "t":
            return None
        state = client.run("SELECT state FROM ir_module_module WHERE name = 'queue_job'").value
    except StatementRefused:
        return None
    return state in ("installed", "to upgrade", "to remove")


def read_pool(console: Mapping[str, str], allowance: Allowance, database: str) -> PoolFacts:
    """What the PgBouncer console says of ``database``'s pool. Raises PathRefused or StatementRefused where it does not
    let this user in."""
    seconds = allowance.take()
    try:
        client = PathClient(console, seconds)
        try:
            config = {row["key"]: row["value"] for row in client.run("SHOW CONFIG").by_name()}
            shown = client.run("SHOW DATABASES").by_name()
        finally:
            client.close()
    finally:
        allowance.give_back()
    row = next((r for r in shown if r["name"] == database), {})
    wait = config.get("query_wait_timeout")
    return PoolFacts(
        pool_mode=row.get("pool_mode") or config.get("pool_mode"),
        pool_size=_number(row.get("pool_size") or config.get("default_pool_size")),
        reserve_pool=_number(row.get("reserve_pool") or row.get("reserve_pool_size")),
        query_wait_timeout_seconds=None if wait is None else float(wait),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdigit() else None


def unusual(what: str) -> str:
    """A name for something of verify's own that nobody else can have: ``slotwise_<what>_<random>``."""
    return f"slotwise_{what}_{secrets.token_hex(6)}"


def slots_failure(free: int, kept: int) -> Failure:
    """Why nothing was probed: too few free slots."""
    return Failure(
        "other",
        f"only {free} connection slots are free, and verify leaves the last {kept} alone",
        "run `slotwise doctor`, free slots, then verify again",
    )
