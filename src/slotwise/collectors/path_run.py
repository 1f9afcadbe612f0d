"""Runs every probe of a path, each on its own feet: one that fails says so and the others go on."""

from __future__ import annotations

import pkgutil
import time
from collections.abc import Callable
from importlib import import_module

import psycopg
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict

import slotwise.collectors.path_probes
from slotwise.collectors.path_client import NoAnswer, PathRefused, StatementRefused
from slotwise.collectors.path_under_test import (
    Allowance,
    Glance,
    Load,
    NoRoom,
    OutOfTime,
    Path,
    PoolFacts,
    glance,
    read_pool,
    slots_failure,
)
from slotwise.collectors.pg_failures import Failure
from slotwise.errors import OperatorError
from slotwise.fixes.path_checks import Check, Demands, Need, Observation, PathReport, compared, judged

APPLICATION_NAME = "slotwise"
MOST_IN_ALL = 150
_KEPT_SLOTS = 3
_KEPT_RATIO = 0.05
_PASSING_CLASSES = ("08", "40", "53", "55", "57", "58", "XX")
"""SQLSTATE classes of trouble that passes or is not the path's: lost connection, full server, lock, shutdown, bug."""


class Probe(Struct, frozen=True):
    """A need and the function that observes it."""

    need: Need
    observe: Callable[[Path], Observation]


class Ways(Struct, frozen=True, kw_only=True):
    """Where to probe: ``dsn`` is the path that Odoo takes, ``direct`` the server itself, ``queue_job`` the way of
    queue_job's runner, ``console`` PgBouncer's; None: not given. They hold passwords."""

    dsn: str
    direct: str | None = None
    queue_job: str | None = None
    console: str | None = None

    def __repr__(self) -> str:
        return "Ways(…)"


class Bounds(Struct, frozen=True):
    """What verify may take: seconds in all, seconds for one answer, connections at once."""

    seconds: float = 60.0
    wait_seconds: float = 8.0
    at_once: int = 8


def probes() -> tuple[Probe, ...]:
    """Every probe, by the name of its file."""
    package = slotwise.collectors.path_probes
    modules = [import_module(f"{package.__name__}.{info.name}") for info in pkgutil.iter_modules(package.__path__)]
    return tuple(Probe(module.NEED, module.probe) for module in modules)


def verify_path(
    ways: Ways,
    load: Load,
    bounds: Bounds,
    also: frozenset[str] = frozenset(),
    queue_job: bool | None = None,
    only: frozenset[str] | None = None,
) -> PathReport:
    """All checks of the path, or those that ``only`` names. ``also`` are declared needed; ``queue_job`` overrides what
    the database says about it.

    Raises OperatorError for a connection string that cannot be used; whatever the path does is in the report.
    """
    started = time.monotonic()
    allowance = Allowance(bounds.at_once, MOST_IN_ALL, bounds.seconds, bounds.wait_seconds)
    path = Path(
        _parameters(ways.dsn, "--dsn"),
        allowance,
        load=load,
        runner=_path(ways.queue_job, "--queue-job-dsn", allowance),
    )
    direct = _path(ways.direct, "--direct", allowance)
    console = None if ways.console is None else parameters_of(ways.console, "--pgbouncer", "pgbouncer")
    first = _first_look(path)
    if isinstance(first, Glance):
        path.pool = _pool(ways, console, path, allowance, first)
        if queue_job is None:
            queue_job = first.queue_job
        gap = _keep_off_the_last_slots(allowance, first)
    else:
        gap = first
    demands = Demands(queue_job, also)
    checks = tuple(
        _checked(probe, path, direct, gap, demands) for probe in probes() if only is None or probe.need.id in only
    )
    seen = first if isinstance(first, Glance) else None
    return PathReport(
        path=seen.address if seen else _address(path_parameters=_parameters(ways.dsn, "--dsn")),
        database=path.database,
        user=seen.user if seen else None,
        direct=None if ways.direct is None else _address(_parameters(ways.direct, "--direct")),
        server_version=seen.server_version if seen else None,
        through_pooler=seen.through_pooler if seen else None,
        checks=checks,
        seconds=time.monotonic() - started,
        connections=allowance.opened,
        most_connections=allowance.most_open,
    )


def _checked(probe: Probe, path: Path, direct: Path | None, gap: Failure | None, demands: Demands) -> Check:
    if gap is not None:
        return judged(probe.need, Observation(None, reason=gap.text, remedy=gap.remedy), demands)
    check = judged(probe.need, observed(probe, path), demands)
    if direct is None or check.state == "works":
        return check
    return compared(check, observed(probe, direct))


def observed(probe: Probe, path: Path) -> Observation:
    """What the probe sees; whatever stops it is an observation too."""
    try:
        return probe.observe(path)
    except PathRefused as error:
        return Observation(None, reason=error.failure.text, remedy=error.failure.remedy)
    except NoAnswer:
        reason = f"no answer within {path.allowance.wait_seconds:g} s: the path is full, busy or dead"
        return Observation(None, reason=reason, remedy="run `slotwise doctor`, then verify again")
    except NoRoom as error:
        return Observation(None, reason=str(error), remedy="free slots, or give a larger --connections")
    except OutOfTime:
        return Observation(None, reason="the time was over", remedy="give a longer --timeout")
    except StatementRefused as error:
        if error.sqlstate is None or error.sqlstate.startswith(_PASSING_CLASSES):
            return Observation(None, reason=error.text)
        return Observation(False, reason=error.text)


def _first_look(path: Path) -> Glance | Failure:
    try:
        return glance(path)
    except PathRefused as error:
        return error.failure
    except (NoAnswer, OutOfTime):
        words = f"no answer within {path.allowance.wait_seconds:g} s"
        return Failure("silent", words, "check that the pooler runs and can log in to the server; see its log")
    except StatementRefused as error:
        return Failure("other", error.text, "connect with psql and the same parameters to see the whole message")


def _keep_off_the_last_slots(allowance: Allowance, first: Glance) -> Failure | None:
    """Cut what may be opened at once to what leaves slots for others; a Failure where nothing is left to take."""
    if first.free is None:
        return None
    kept = max(_KEPT_SLOTS, round(_KEPT_RATIO * first.free))
    takeable = first.free - kept
    if takeable < 1:
        return slots_failure(first.free, kept)
    allowance.at_once = min(allowance.at_once, takeable)
    return None


def _pool(ways: Ways, console: dict[str, str] | None, path: Path, allowance: Allowance, first: Glance) -> PoolFacts:
    """The pool as PgBouncer's console shows it: the one that was named, else the path's own where it lets us in."""
    if console is None and not first.through_pooler:
        return PoolFacts()
    if console is None:
        console = {**parameters_of(ways.dsn, "--dsn", None), "dbname": "pgbouncer"}
    try:
        return read_pool(console, allowance, path.database)
    except (PathRefused, StatementRefused, NoAnswer, NoRoom, OutOfTime):
        return PoolFacts()


def _path(dsn: str | None, option: str, allowance: Allowance) -> Path | None:
    return None if dsn is None else Path(_parameters(dsn, option), allowance)


def _parameters(dsn: str, option: str) -> dict[str, str]:
    """The parameters of a way to the application database. Raises OperatorError without one."""
    import os

    given = parameters_of(dsn, option, None)
    database = given.get("dbname") or ("" if given.get("service") else os.environ.get("PGDATABASE", ""))
    if not database or database == "postgres":
        problem = f"{option} names no database of Odoo"
        raise OperatorError(problem, "add dbname=NAME: most needs are of the application database, not of `postgres`")
    return {**given, "dbname": database}


def parameters_of(dsn: str, option: str, database: str | None) -> dict[str, str]:
    """libpq's parameters of ``dsn``. Raises OperatorError where it cannot be read (without repeating it: it may hold a
    password)."""
    try:
        given = {k: str(v) for k, v in conninfo_to_dict(dsn).items() if v is not None}
    except psycopg.ProgrammingError as error:
        remedy = "write postgresql://user:password@host:port/dbname; special characters in it as %40, %2F …"
        raise OperatorError(f"{option} cannot be read", remedy) from error
    # An empty `options` keeps PGOPTIONS of this process away: a PgBouncer would refuse it.
    named = {"options": "", "application_name": APPLICATION_NAME, **given, "client_encoding": "UTF8"}
    if database is not None:
        named.setdefault("dbname", database)
    return named


def _address(path_parameters: dict[str, str]) -> str:
    host = path_parameters.get("host") or path_parameters.get("hostaddr") or "the default host"
    return f"{host}:{path_parameters.get('port', '5432')}"
