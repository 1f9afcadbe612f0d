"""verify: probe what Odoo needs through the path, judge it, and hand the report to a voice."""

from __future__ import annotations

from msgspec import Struct

from slotwise.errors import OperatorError
from slotwise.fixes.path_checks import PathReport

FORMATS = ("text", "json", "junit")


class VerifyRequest(Struct, frozen=True, kw_only=True):
    """What to verify. DSNs hold passwords; ``workers`` and ``max_cron_threads`` are of all Odoo hosts together and win
    over ``config``. ``queue_job`` None: ask the database. ``need`` are checks declared
    needed, ``only`` the checks to run (empty: all)."""

    dsn: str
    direct: str | None = None
    queue_job_dsn: str | None = None
    console: str | None = None
    config: str | None = None
    workers: int | None = None
    max_cron_threads: int | None = None
    queue_job: bool | None = None
    need: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    exhaust: bool = False
    seconds: float = 60.0
    connections: int = 8

    def __repr__(self) -> str:
        return "VerifyRequest(…)"


def verify(request: VerifyRequest) -> PathReport:
    """The report of one run. Raises OperatorError for connection strings, files or check ids that cannot be used."""
    from slotwise.collectors.path_run import Bounds, Ways, probes, verify_path
    from slotwise.collectors.path_under_test import Load

    known = frozenset(probe.need.id for probe in probes())
    strangers = [name for name in (*request.need, *request.only) if name not in known]
    if strangers:
        raise OperatorError(f"no such check: {strangers[0]}", f"choose from {', '.join(sorted(known))}")
    workers, cron = _configured(request)
    load = Load(workers, cron, request.exhaust)
    connections = request.connections
    if request.exhaust and load.deadlock_floor is not None:
        connections = max(connections, load.deadlock_floor + 2)
    return verify_path(
        Ways(dsn=request.dsn, direct=request.direct, queue_job=request.queue_job_dsn, console=request.console),
        load,
        Bounds(seconds=request.seconds, at_once=connections),
        frozenset(request.need),
        True if request.queue_job_dsn is not None else request.queue_job,
        frozenset(request.only) or known,
    )


def _configured(request: VerifyRequest) -> tuple[int | None, int | None]:
    """Odoo's ``workers`` and ``max_cron_threads``: as given, else from odoo.conf."""
    workers, cron = request.workers, request.max_cron_threads
    if request.config is None or (workers is not None and cron is not None):
        return workers, cron
    from pathlib import Path

    from slotwise.collectors.odoo_conf import parse_odoo_conf
    from slotwise.collectors.odoo_configuration import Inputs, configuration

    try:
        content = Path(request.config).read_bytes()
    except OSError as error:
        raise OperatorError(f"{request.config}: {error.strerror}", "give --config a file that can be read") from error
    found = configuration(Inputs(version=None, conf=parse_odoo_conf(content, request.config)))
    values = {option.name: option.value for option in found.options}
    return _number(workers, values.get("workers")), _number(cron, values.get("max_cron_threads"))


def _number(given: int | None, configured: object) -> int | None:
    if given is not None:
        return given
    return configured if isinstance(configured, int) and not isinstance(configured, bool) else None


def said(report: PathReport, form: str, *, colour: bool = False, width: int = 100) -> str:
    """The report in one of FORMATS."""
    if form == "json":
        from slotwise.formats.verify_json import verify_json

        return verify_json(report)
    if form == "junit":
        from slotwise.formats.verify_junit import verify_junit

        return verify_junit(report)
    from slotwise.formats.verify_text import verify_text

    return verify_text(report, colour=colour, width=width)
