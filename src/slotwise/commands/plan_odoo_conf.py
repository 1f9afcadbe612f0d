"""An odoo.conf as what is planned: one host of a named version, Odoo's defaults for what the file leaves out."""

from __future__ import annotations

import re
from pathlib import Path

from slotwise.capacity.deployment import ODOO_VERSIONS, Deployment, PostgresServer
from slotwise.capacity.planned_instance import planned_instance
from slotwise.capacity.planner import Terms
from slotwise.capacity.routes import Route
from slotwise.collectors.odoo_conf import parse_odoo_conf
from slotwise.collectors.odoo_configuration import Inputs, configuration
from slotwise.commands.plan_subject import DEFAULT_MAX_CONNECTIONS, DEFAULT_VERSION, Subject
from slotwise.errors import OperatorError
from slotwise.snapshot.evidence import MissingEvidence
from slotwise.snapshot.model import Snapshot
from slotwise.snapshot.odoo import OdooInstance

_OPTIONS = re.compile(rb"^[ \t]*\[options\][ \t]*$", re.MULTILINE)


def is_odoo_conf(head: bytes) -> bool:
    """Whether a file that begins like this is an odoo.conf: it opens the section [options]."""
    return _OPTIONS.search(head) is not None


def subject_of_odoo_conf(path: Path, version: int | None) -> Subject:
    """The host that ``path`` configures for Odoo ``version``; the server is not in it, so its slots are assumed.

    Raises OperatorError naming the file and line that Odoo itself would refuse.
    """
    conf = parse_odoo_conf(path.read_bytes(), str(path))
    major = DEFAULT_VERSION if version is None else version
    effective = configuration(Inputs(version=f"{major}.0", conf=conf))
    instance = OdooInstance(
        id=path.name, version=f"{major}.0", version_source="given", config_file=str(path), options=effective.options
    )
    nothing_seen = Snapshot(taken_at=0.0, host=path.name, slotwise_version="")
    try:
        planned = planned_instance(
            instance, nothing_seen, Route(instance=path.name, kind="direct", pgbouncer=None, why="as configured")
        )
    except MissingEvidence as missing:
        raise OperatorError(f"{path}: {missing.gap.source}: {missing.gap.reason}", missing.gap.remedy) from missing
    assumed = [f"max_connections = {DEFAULT_MAX_CONNECTIONS}, PostgreSQL's default (--max-connections)"]
    if version is None:
        known = ", ".join(map(str, ODOO_VERSIONS))
        assumed.append(f"{path.name} is for Odoo {major} (--from-version, --to-version or --odoo-version: {known})")
    if not instance.pinned_databases:
        assumed.append(f"{path.name} names no database, so one is served (--databases)")
    server = PostgresServer(max_connections=DEFAULT_MAX_CONNECTIONS)
    return Subject(
        name=path.name,
        deployment=Deployment(hosts=(planned.likely,), servers=(server,)),
        terms=Terms(),
        assumed=tuple(assumed),
        bare=True,
    )
