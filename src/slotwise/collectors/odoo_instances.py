"""Joins Odoo processes to the services that they belong to, and works out what each service is configured to be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from slotwise.collectors.discovery import Client
from slotwise.collectors.odoo_command_line import parse_command_line
from slotwise.collectors.odoo_conf import OdooConf
from slotwise.collectors.odoo_configuration import Configuration, Inputs, configuration
from slotwise.collectors.odoo_options import table_version
from slotwise.collectors.pg_target import OsUser
from slotwise.collectors.process_facts import ProcessFacts
from slotwise.collectors.process_roles import OdooProcess
from slotwise.snapshot.odoo import OdooInstance
from slotwise.snapshot.processes import Process, ProcessRole
from slotwise.snapshot.redaction import redact_arguments

_INSTANCE_VARIABLES = ("ODOO_RC", "OPENERP_SERVER")


class FoundInstance(Struct, frozen=True):
    """An instance, and the same as a client of its server: that holds the password and stays outside the Snapshot."""

    instance: OdooInstance
    client: Client


def config_path_of(facts: ProcessFacts, options: Sequence[str], version: str | None = None) -> str | None:
    """The configuration file that a process was started with, as it was named: -c, else ODOO_RC, else OPENERP_SERVER.

    None where it names none: Odoo then reads ~/.odoorc (odoo/tools/config.py, _parse_config, 17.0 to 19.0).
    """
    named = named_on_command_line(options, version)
    if named:
        return named
    environment = facts.environment or {}
    return next((environment[v] for v in _INSTANCE_VARIABLES if environment.get(v)), None)


def named_on_command_line(options: Sequence[str], version: str | None = None) -> str | None:
    """The file that -c or --config names; without it None."""
    named = parse_command_line(options, table_version(version)).values.get("config")
    return named if isinstance(named, str) and named else None


def instance_of(
    root: OdooProcess | None,
    members: Iterable[int],
    *,
    id: str,
    version: str | None,
    version_source: str | None,
    conf: OdooConf | None,
    config_file: str | None,
    file_note: str = "",
    os_user: OsUser | None = None,
) -> FoundInstance:
    """The instance of one server process, or of a configuration file alone (``root`` None).

    Raises OperatorError where the file holds what Odoo refuses.
    """
    facts = root.facts if root is not None else None
    effective = configuration(
        Inputs(
            version=version,
            conf=conf,
            arguments=root.command.options if root is not None else (),
            environment=facts.environment if facts is not None else None,
            process=f"pid {facts.pid}" if facts is not None else "the process",
            user=facts.user if facts is not None else None,
            file_note=file_note,
        )
    )
    instance = OdooInstance(
        id=id,
        version=version,
        version_source=version_source,
        config_file=config_file,
        options=effective.options,
        ignored_keys=effective.ignored,
        processes=tuple(sorted(members)),
        container=facts.container if facts is not None else False,
        addons_paths=_paths(effective),
    )
    return FoundInstance(instance, _client(effective, facts, instance, os_user))


def _paths(effective: Configuration) -> tuple[str, ...]:
    text = effective.value("addons_path")
    return tuple(p.strip() for p in text.split(",") if p.strip()) if isinstance(text, str) else ()


def _client(
    effective: Configuration, facts: ProcessFacts | None, instance: OdooInstance, os_user: OsUser | None
) -> Client:
    """The instance as a client of its server: what discovery needs to follow it there."""

    def text(name: str) -> str | None:
        value = effective.value(name)
        return value if isinstance(value, str) and value else None

    environment = facts.environment if facts is not None else None
    port = effective.value("db_port")
    return Client(
        name=instance.id,
        host=text("db_host"),
        port=port if isinstance(port, int) and port else None,
        user=text("db_user"),
        password=effective.password or (environment or {}).get("PGPASSWORD"),
        sslmode=text("db_sslmode"),
        databases=tuple(n.strip() for n in (text("db_name") or "").split(",") if n.strip()),
        environment=environment,
        os_user=os_user,
        pids=len(instance.processes),
    )


def process_of(facts: ProcessFacts, odoo: OdooProcess | None, instance: str | None) -> Process:
    """A process as the Snapshot holds it: command line redacted, role ``unknown`` for what is no Odoo process."""
    program = facts.program
    role: ProcessRole
    if odoo is not None:
        role, name, evidence = odoo.role, odoo.command.name, odoo.evidence
    elif program in ("postgres", "postmaster"):
        role, name, evidence = "postgres", "postgres", "process title"
    elif program == "pgbouncer" or facts.command == "pgbouncer":
        role, name, evidence = "pgbouncer", "pgbouncer", "program name"
    else:
        role, name, evidence = "unknown", _program_name(facts), ""
    given = tuple(a for a in facts.arguments if a)
    return Process(
        pid=facts.pid,
        ppid=facts.ppid,
        role=role,
        # A title of PostgreSQL holds names and a state, no secret, and there may be a thousand of them.
        arguments=given if given[:1] and given[0].startswith("postgres:") else redact_arguments(given),
        name=name,
        user=facts.user,
        started_at=facts.started_at,
        instance=instance,
        inodes=facts.inodes or (),
        container=facts.container,
        evidence=evidence,
        pid_inside=facts.pid_inside,
    )


def _program_name(facts: ProcessFacts) -> str:
    """The name that tells people most: the script that an interpreter runs, else the program."""
    program = facts.program
    if not program.startswith(("python", "perl", "ruby", "php", "node", "java", "bash", "sh", "dash")):
        return program
    script = next((a for a in facts.arguments[1:] if a and not a.startswith("-")), None)
    return script.rsplit("/", 1)[-1] if script else program


def groups(processes: Sequence[OdooProcess]) -> dict[int, tuple[OdooProcess, ...]]:
    """The processes by the server that they belong to: a gevent process without a master is a group of its own."""
    found: dict[int, list[OdooProcess]] = {}
    for process in processes:
        if process.root is not None:
            found.setdefault(process.root, []).append(process)
    return {root: tuple(members) for root, members in found.items()}


def instance_ids(roots: Sequence[OdooProcess], path_of: Callable[[OdooProcess], str | None]) -> dict[int, str]:
    """A name for each server: its configuration file, with the pid where servers share one file or have none."""
    paths = {r.facts.pid: path_of(r) for r in roots}
    named = [p for p in paths.values() if p]
    ids: dict[int, str] = {}
    for pid, path in paths.items():
        if path is None:
            ids[pid] = f"pid {pid}"
        else:
            ids[pid] = path if named.count(path) == 1 else f"{path} (pid {pid})"
    return ids
